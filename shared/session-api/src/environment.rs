//! Configuration from environment variables. All of them are read at start-up, and all problems are reported together.

use std::{
    env::{self, VarError},
    fmt,
    str::FromStr,
};

use lambda_http::http::Uri;

/// Reads the environment variables of a function, and collects the problems with them.
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

    /// An environment in which every variable is `1`.
    pub(crate) fn of_ones() -> Self {
        Self { read: |_| Ok("1".to_owned()), problems: Vec::new() }
    }

    /// Returns the variable's value. If it is missing or empty, that is recorded as a problem, and start-up fails.
    pub fn required(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problem(format!("{name} is not set"));
            String::new()
        })
    }

    /// Returns the variable's value, unless it is missing or empty.
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

    /// Returns the variable's URL, if it has a value.
    pub(crate) fn url(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name)?;
        let is_url = value
            .parse::<Uri>()
            .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        if !is_url {
            self.problem(format!("{name} is not a URL"));
        }
        Some(value)
    }

    /// Returns the variable's parsed value, or `None` if it has no valid value. An invalid value is recorded as a problem.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        match self.optional(name)?.parse() {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem(format!("{name} is not valid: {reason}"));
                None
            }
        }
    }

    /// Records a problem.
    pub(crate) fn problem(&mut self, problem: String) {
        // A required variable that is not UTF-8 is not also reported as "not set".
        if !self.problems.iter().any(|noted| noted.split(' ').next() == problem.split(' ').next()) {
            self.problems.push(problem);
        }
    }

    /// Returns all problems in one string, if there are any.
    pub(crate) fn finish(self) -> Result<(), String> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_together() {
        let read = |name: &str| match name {
            "SET" => Ok("value".to_owned()),
            "URL" => Ok("http://127.0.0.1:8000".to_owned()),
            "TRUE" => Ok("true".to_owned()),
            "EMPTY" => Ok(String::new()),
            "BYTES" => Err(VarError::NotUnicode("x".into())),
            _ => Err(VarError::NotPresent),
        };
        let mut environment = Environment { read, problems: Vec::new() };
        assert_eq!(environment.required("SET"), "value");
        assert_eq!(environment.optional("EMPTY"), None);
        assert_eq!(environment.optional("ABSENT"), None);
        assert_eq!(environment.url("URL").as_deref(), Some("http://127.0.0.1:8000"));
        assert_eq!(environment.parsed("TRUE"), Some(true));
        assert_eq!(environment.parsed::<bool>("EMPTY"), None);
        environment.url("TRUE");
        assert_eq!(environment.parsed::<u64>("SET"), None);
        environment.required("EMPTY");
        environment.required("ABSENT");
        environment.required("BYTES");
        let problems = "TRUE is not a URL; SET is not valid: invalid digit found in string; EMPTY is not set; \
                        ABSENT is not set; BYTES is not valid UTF-8";
        assert_eq!(environment.finish(), Err(problems.to_owned()));
    }
}
