//! Conditional updates of one item.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use session_model::{
    Timestamp,
    item::LastMsgType,
    register::{Message, amendments::Recall},
};

use crate::{
    Store, StoreError,
    codec::item::{Item, n, s},
};

/// The condition that an item has no position, or one before (`:t`, `:id`).
pub(crate) const OLDER: &str =
    "attribute_not_exists(msgTime) OR msgTime < :t OR (msgTime = :t AND msgId < :id)";

/// The condition that an item has no amendments, on which what it shows may depend.
const WITHOUT_AMENDMENTS: &str = "attribute_not_exists(amendments)";

/// The update of an item, and its condition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update {
    set: Vec<&'static str>,
    remove: Vec<&'static str>,
    delete: Option<&'static str>,
    condition: Option<String>,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Update {
    /// Sets attributes: `name = :value, …`.
    pub(crate) fn set(mut self, attributes: &'static str) -> Self {
        self.set.push(attributes);
        self
    }

    /// Removes attributes: `name, …`.
    pub(crate) fn remove(mut self, attributes: &'static str) -> Self {
        self.remove.push(attributes);
        self
    }

    /// Deletes elements of a set: `name :elements`.
    pub(crate) fn delete(self, elements: &'static str) -> Self {
        Self { delete: Some(elements), ..self }
    }

    /// Adds a condition, which must hold too.
    pub(crate) fn only_if(mut self, condition: impl AsRef<str>) -> Self {
        let condition = format!("({})", condition.as_ref());
        self.condition = Some(match self.condition {
            None => condition,
            Some(before) => format!("{before} AND {condition}"),
        });
        self
    }

    /// Binds a placeholder.
    pub(crate) fn with(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    /// Writes a message, if it is newer than the item's register and the item has no amendments. It is for session items and for
    /// group items; removing `expiresAt` has no effect on a group item, which never expires. Sets the change time if one is given.
    pub(crate) fn record(message: &Message, change_time: Option<Timestamp>) -> Self {
        Self::default()
            .set("lastMsg = :m, lastMsgType = :message, updateTime = :t, msgTime = :t, msgId = :id")
            .remove("expiresAt")
            .only_if(OLDER)
            .only_if(WITHOUT_AMENDMENTS)
            .with(":m", s(message.text.plain()))
            .with(":message", n(LastMsgType::Message.as_number()))
            .with(":t", n(message.position.time))
            .with(":id", s(message.position.id.as_str()))
            .with_optional_change_time(change_time)
    }

    /// Replaces the held message by its recall, or a recall of it by a greater one, if the item has no amendments. Sets the change
    /// time if one is given.
    pub(crate) fn recall(recall: &Recall, change_time: Option<Timestamp>) -> Self {
        Self::default()
            .set("lastMsg = :n, lastMsgType = :recall, updateTime = :d")
            .only_if(
                "msgId = :id AND (lastMsgType = :message OR (lastMsgType = :recall AND \
                 (updateTime < :d OR (updateTime = :d AND lastMsg < :n))))",
            )
            .only_if(WITHOUT_AMENDMENTS)
            .with(":n", s(recall.notice.text().plain()))
            .with(":recall", n(LastMsgType::Recall.as_number()))
            .with(":d", n(recall.at))
            .with(":id", s(recall.id.as_str()))
            .with(":message", n(LastMsgType::Message.as_number()))
            .with_optional_change_time(change_time)
    }

    fn with_optional_change_time(self, change_time: Option<Timestamp>) -> Self {
        match change_time {
            Some(now) => self.with_change_time(now),
            None => self,
        }
    }

    /// Sets when the item changed, for devices that keep a local copy.
    pub(crate) fn with_change_time(self, now: Timestamp) -> Self {
        self.set("changeTime = :changed").with(":changed", n(now))
    }

    fn expression(&self) -> String {
        let mut clauses = Vec::new();
        for (clause, parts) in [("SET", &self.set), ("REMOVE", &self.remove)] {
            if !parts.is_empty() {
                clauses.push(format!("{clause} {}", parts.join(", ")));
            }
        }
        clauses.extend(self.delete.map(|elements| format!("DELETE {elements}")));
        clauses.join(" ")
    }
}

/// The result of an update.
pub(crate) enum Updated {
    /// It was done. Contains the item after it, if that was requested.
    Done(Item),
    /// Its condition failed. Contains the item as it is, if that was requested.
    ConditionFailed(Item),
}

/// The item that an update returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReturnValues {
    /// No item.
    None,
    /// The item after the update.
    AllNew,
    /// The item as it is, if the condition failed.
    OnConditionFailure,
}

impl Store {
    /// Sends an update of one item.
    pub(crate) async fn update(
        &self,
        table: &str,
        key: Item,
        update: Update,
        return_values: ReturnValues,
    ) -> Result<Updated, StoreError> {
        let expression = update.expression();
        let values: HashMap<_, _> =
            update.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        // DynamoDB rejects an empty map.
        let values = Some(values).filter(|values| !values.is_empty());
        let mut request = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(expression)
            .set_condition_expression(update.condition)
            .set_expression_attribute_values(values)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        request = match return_values {
            ReturnValues::None => request,
            ReturnValues::AllNew => request.return_values(ReturnValue::AllNew),
            ReturnValues::OnConditionFailure => {
                request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            }
        };
        match request.send().await {
            Ok(output) => {
                self.meter.add_write(output.consumed_capacity());
                // Empty unless the item was asked for, as below.
                Ok(Updated::Done(output.attributes.unwrap_or_default()))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(rejection)) => {
                    self.meter.add_failed_condition();
                    Ok(Updated::ConditionFailed(rejection.item().cloned().unwrap_or_default()))
                }
                _ => Err(error.into()),
            },
        }
    }
}
