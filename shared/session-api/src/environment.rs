//! Configuration: environment variables, all read at start-up, all problems reported at once.

use std::env::{self, VarError};

/// Reads the environment variables of a function and keeps what is wrong with them.
#[derive(Debug)]
pub struct Environment {
    read: fn(&str) -> Result<String, VarError>,
    problems: Vec<String>,
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is start-up")]
    pub(crate) fn of_process() -> Self {
        Self { read: |name| env::var(name), problems: Vec::new() }
    }

    /// The variable's value. When it is missing or empty, that is noted, and nothing will start.
    pub fn required(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(format!("{name} is not set"));
            String::new()
        })
    }

    /// The variable's value, unless it is missing or empty.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        match (self.read)(name) {
            Ok(value) => Some(value).filter(|value| !value.is_empty()),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(_)) => {
                self.problem(format!("{name} is not valid UTF-8"));
                None
            }
        }
    }

    /// Notes what is wrong.
    pub(crate) fn problem(&mut self, problem: String) {
        // A required variable that is not UTF-8 is not also "not set".
        if !self.problems.iter().any(|noted| noted.split(' ').next() == problem.split(' ').next()) {
            self.problems.push(problem);
        }
    }

    /// All problems in one text, if there are any.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let read = |name: &str| match name {
            "SET" => Ok("value".to_owned()),
            "EMPTY" => Ok(String::new()),
            "BYTES" => Err(VarError::NotUnicode("x".into())),
            _ => Err(VarError::NotPresent),
        };
        let mut environment = Environment { read, problems: Vec::new() };
        assert_eq!(environment.required("SET"), "value");
        assert_eq!(environment.optional("EMPTY"), None);
        assert_eq!(environment.optional("ABSENT"), None);
        environment.required("EMPTY");
        environment.required("ABSENT");
        environment.required("BYTES");
        let problems = "EMPTY is not set; ABSENT is not set; BYTES is not valid UTF-8";
        assert_eq!(environment.finish(), Err(problems.to_owned()));
    }
}
