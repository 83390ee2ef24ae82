//! The pages and their contents.

use std::fs;

use session_local::workspace::workspace;

/// The pages for readers, by path. A Chinese page has the same content as the English one next to it.
pub const PAGES: [&str; 10] = [
    "README.md",
    "README.zh-CN.md",
    "docs/apps.md",
    "docs/apps.zh-CN.md",
    "docs/backends.md",
    "docs/backends.zh-CN.md",
    "docs/operations.md",
    "docs/performance.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
];

pub fn page(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fenced block: its info string and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: String,
    pub text: String,
}

/// Returns the fenced blocks of a page, including those in lists.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<usize> = None;
    for line in page.lines() {
        let indent = line.len() - line.trim_start().len();
        match (line.trim_start().strip_prefix("```"), open) {
            (Some(kind), None) => {
                blocks.push(Block { kind: kind.trim().to_owned(), text: String::new() });
                open = Some(indent);
            }
            (Some(_), Some(_)) => open = None,
            (None, Some(indent)) => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line.get(indent..).unwrap_or_default());
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert_eq!(open, None, "a block is not closed");
    blocks
}

/// Returns the blocks of one kind on a page.
pub fn of_kind(path: &str, kind: &str) -> Vec<String> {
    let blocks = blocks(&page(path)).into_iter();
    blocks.filter(|block| block.kind == kind).map(|block| block.text).collect()
}

/// Returns a page without its fenced blocks.
pub fn prose(page: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// Returns the text between backticks, outside fenced blocks.
pub fn code(page: &str) -> Vec<String> {
    prose(page)
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Returns the rows of the table that begins with this head, each as a list of cells.
pub fn table(page: &str, head: &str) -> Vec<Vec<String>> {
    let table = page.split(head).nth(1).unwrap_or_else(|| panic!("there is no table {head}"));
    let rows = table.lines().skip(2).map(str::trim).take_while(|line| line.starts_with('|'));
    // A bar in a cell is escaped.
    let cells = |row: &str| {
        let row = row.replace("\\|", "\u{0}");
        let cells = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{0}', "|"));
        cells.collect()
    };
    rows.map(cells).collect()
}
