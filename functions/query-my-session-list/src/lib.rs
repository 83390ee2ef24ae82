//! queryMySessionList: `GET /v1/sessions`. One page of the caller's list, newest first.

use std::str::FromStr;

use session_api::{Call, Environment, Operation, Problem, Reply};
use session_model::{InvalidField, InvalidValue, Limit, ListQuery, Window};

/// The operation.
#[derive(Debug)]
pub struct QueryMySessionList;

impl Operation for QueryMySessionList {
    const NAME: &'static str = "queryMySessionList";
    const CONNECTIONS: usize = 2;

    fn configure(_: &mut Environment) -> Self {
        Self
    }

    async fn answer(&self, call: &Call<'_>) -> Result<Reply, Problem> {
        let caller = call.caller()?;
        let query = query(call)?;
        let list = call.store().sessions_of(&caller).list(&query, call.now()).await?;
        Ok(Reply::json(&list).compressible())
    }
}

fn query(call: &Call<'_>) -> Result<ListQuery, InvalidField> {
    let min = call.query("minTimestamp")?.unwrap_or_default();
    let max = call.query("maxTimestamp")?.unwrap_or_default();
    let need_last_msg = call.query("needLastMsg")?.unwrap_or(Flag(true)).0;
    let limit = call.query("limit")?.unwrap_or(Limit::MAX);
    // Without effect, as in Yunxin; a value that is no flag is refused all the same.
    call.query::<Flag>("hasMore")?;
    ListQuery::new(Window::new(min, max)?, call.query("cursor")?, limit, need_last_msg)
}

/// A yes or no, written 1 or 0.
#[derive(Debug, PartialEq, Eq)]
struct Flag(bool);

impl FromStr for Flag {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "0" => Ok(Self(false)),
            "1" => Ok(Self(true)),
            _ => Err(InvalidValue::new("must be 0 or 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_0_or_1() {
        assert_eq!("0".parse(), Ok(Flag(false)));
        assert_eq!("1".parse(), Ok(Flag(true)));
        for text in ["", "2", "-1", "true", "01"] {
            assert!(text.parse::<Flag>().is_err(), "{text:?}");
        }
    }
}
