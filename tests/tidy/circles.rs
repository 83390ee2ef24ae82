//! No file depends on itself through others, and nothing is imported through the root of a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use session_local::workspace::workspace;
use test_support::repository::sources;

/// The crates that are checked, and the maximum number of names that the root of each re-exports.
const CRATES: [(&str, usize); 2] = [("shared/session-model/src", 15), ("infra/local/src", 0)];

type Module = Vec<String>;

/// The modules of a crate.
struct Crate {
    /// The text of each module's file, without comments and tests.
    texts: BTreeMap<Module, String>,
    /// The paths that modules re-export names from.
    exports: BTreeMap<(Module, String), Module>,
}

impl Crate {
    fn read(folder: &str) -> Self {
        let root = workspace().join(folder);
        let mut texts = BTreeMap::new();
        for path in sources(folder) {
            let path = path.canonicalize().unwrap();
            let relative = path.strip_prefix(root.canonicalize().unwrap()).unwrap().to_owned();
            if relative == Path::new("main.rs") {
                continue;
            }
            let mut module: Module =
                relative.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if ["mod", "lib"].contains(&&**module.last().unwrap()) {
                module.pop();
            }
            texts.insert(module, code(&fs::read_to_string(&path).unwrap()));
        }
        let mut exports = BTreeMap::new();
        for (module, text) in &texts {
            for path in uses(text).into_iter().filter(|(is_public, _)| *is_public).map(|(_, path)| path) {
                exports.insert((module.clone(), path.last().unwrap().clone()), path);
            }
        }
        Self { texts, exports }
    }

    /// The module in which a path ends that is written in another module.
    fn resolve(&self, from: &Module, path: &[String]) -> Module {
        let mut module = from.clone();
        for part in path {
            match &**part {
                "crate" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                name => {
                    let child = [&module[..], &[name.to_owned()]].concat();
                    if self.texts.contains_key(&child) {
                        module = child;
                    } else if let Some(export) = self.exports.get(&(module.clone(), name.to_owned())) {
                        return self.resolve(&module, export);
                    } else {
                        return module;
                    }
                }
            }
        }
        module
    }

    /// The modules that each module depends on. A re-export is a dependency of those who use it.
    fn dependencies(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of = |(module, text): (&Module, &String)| {
            let imported = uses(text).into_iter().filter(|(is_public, _)| !is_public).map(|(_, path)| path);
            let named = paths(
                text,
                self.texts
                    .keys()
                    .filter(|child| child.split_last().is_some_and(|(_, parent)| parent == &module[..])),
            );
            imported.chain(named).map(|path| self.resolve(module, &path)).filter(|of| of != module).collect()
        };
        self.texts.iter().map(|entry| (entry.0, of(entry))).collect()
    }
}

/// The code of a file, without comments and unit tests.
fn code(text: &str) -> String {
    let end =
        text.find("#[cfg(test)]\nmod tests").or_else(|| text.find("#[cfg(test)]\npub(crate) mod tests"));
    let code = text[..end.unwrap_or(text.len())].lines().map(|line| line.split("//").next().unwrap());
    code.collect::<Vec<_>>().join("\n")
}

/// The paths that the `use` items of a file import, each with whether it is re-exported.
fn uses(text: &str) -> Vec<(bool, Module)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap().trim();
        rest = &rest[at + 4..];
        let is_item = before.is_empty() || before == "pub" || before.starts_with("pub(");
        let Some((tree, behind)) = rest.split_once(';').filter(|_| is_item) else { continue };
        let mut paths = Vec::new();
        expand(&mut Vec::new(), &tree.replace(char::is_whitespace, ""), &mut paths);
        found.extend(paths.into_iter().map(|path| (!before.is_empty(), path)));
        rest = behind;
    }
    found
}

/// Expands a use tree: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(prefix: &mut Module, tree: &str, paths: &mut Vec<Module>) {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let (path, group) = match part.split_once('{') {
            Some((path, group)) => (path.trim_end_matches(':'), group.strip_suffix('}')),
            None => (part, None),
        };
        let names: Module =
            path.split("::").filter(|name| !name.is_empty() && *name != "*").map(str::to_owned).collect();
        let count = names.len();
        prefix.extend(names);
        match group {
            Some(group) => expand(prefix, group, paths),
            None => paths.push(prefix.clone()),
        }
        prefix.truncate(prefix.len() - count);
    }
}

/// The paths in a file's code that begin with `crate`, `super` or one of these child modules.
fn paths<'a>(text: &str, children: impl Iterator<Item = &'a Module>) -> Vec<Module> {
    let children: BTreeSet<&str> = children.map(|child| child.last().unwrap().as_str()).collect();
    let without_uses = text.split(';').filter(|item| !item.contains("use "));
    let words =
        without_uses.flat_map(|item| item.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':'));
    words
        .filter(|word| word.contains("::"))
        .map(|word| word.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Module>())
        .filter(|path| {
            path.first()
                .is_some_and(|first| ["crate", "super"].contains(&&**first) || children.contains(&**first))
        })
        .collect()
}

/// A circle of modules, if there is one: each depends on the next.
fn circle(dependencies: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    fn visit(
        module: &Module,
        path: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
        dependencies: &BTreeMap<&Module, BTreeSet<Module>>,
    ) -> Option<Vec<Module>> {
        if let Some(at) = path.iter().position(|of| of == module) {
            return Some(path[at..].to_vec());
        }
        if done.contains(module) {
            return None;
        }
        path.push(module.clone());
        let found = dependencies[module].iter().find_map(|of| visit(of, path, done, dependencies));
        path.pop();
        done.insert(module.clone());
        found
    }
    let mut done = BTreeSet::new();
    dependencies.keys().find_map(|module| visit(module, &mut Vec::new(), &mut done, dependencies))
}

#[test]
fn no_file_depends_on_itself() {
    for (folder, exports) in CRATES {
        let of = Crate::read(folder);
        let dependencies = of.dependencies();
        assert!(dependencies.len() > 20, "{folder} has files");
        if let Some(circle) = circle(&dependencies) {
            let names: Vec<_> = circle.iter().map(|module| module.join("::")).collect();
            panic!("{folder}: {} depend on each other", names.join(" → "));
        }
        let exported = of.exports.keys().filter(|(module, _)| module.is_empty()).count();
        assert!(exported <= exports, "the root of {folder} re-exports {exported} names");
        for (module, text) in &of.texts {
            for (_, path) in uses(text).into_iter().filter(|_| !module.is_empty()) {
                let through_root =
                    path.len() == 2 && path[0] == "crate" && path[1].starts_with(char::is_uppercase);
                assert!(
                    !through_root,
                    "{folder}: {} imports {} through the root",
                    module.join("::"),
                    path[1]
                );
            }
        }
    }
}

#[test]
fn a_planted_circle_is_found() {
    let text = |text: &str| code(text);
    let module = |name: &str| -> Module { vec![name.to_owned()] };
    let planted = Crate {
        texts: BTreeMap::from([
            (module("a"), text("use crate::b::{self, B};\n")),
            (module("b"), text("// use crate::a::A;\nfn b() { crate::c::c() }\n")),
            (module("c"), text("use super::{a::A, d};\n#[cfg(test)]\nmod tests { use crate::d::D; }\n")),
            (module("d"), text("")),
        ]),
        exports: BTreeMap::new(),
    };
    let circle = circle(&planted.dependencies()).unwrap();
    assert_eq!(circle, [module("a"), module("b"), module("c")]);
}
