//! The items of the tables.

use std::sync::Arc;

use anyhow::Result;
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::state::LocalService;
use crate::emulator::gateway::message;

/// The maximum number of a user's session items that are shown.
const MAX_ITEMS: usize = 200;

#[derive(Deserialize)]
pub(super) struct OfUser {
    user: String,
}

/// Returns a user's session items as stored in the database, and the group items of their groups.
pub(super) async fn items(State(local): State<Arc<LocalService>>, Query(query): Query<OfUser>) -> Response {
    let found = async {
        let session_items = json!({
            "TableName": "SessionsTable", "KeyConditionExpression": "userId = :u", "Limit": MAX_ITEMS, "ConsistentRead": true,
            "ExpressionAttributeValues": {":u": {"S": query.user}},
        });
        let session_items = local.dynamodb.request("Query", &session_items).await?;
        let mut group_items = Vec::new();
        for session_item in session_items["Items"].as_array().into_iter().flatten() {
            let id = session_item["sessionId"]["S"].as_str().unwrap_or_default();
            if id.starts_with("p2p|") {
                continue;
            }
            let key =
                json!({"TableName": "GroupsTable", "Key": {"groupId": {"S": id}}, "ConsistentRead": true});
            let group_item = local.dynamodb.request("GetItem", &key).await?;
            group_items.extend(group_item.get("Item").filter(|item| !item.is_null()).cloned());
        }
        Result::<_>::Ok(
            json!({"sessionItems": session_items["Items"], "groupItems": group_items, "more": !session_items["LastEvaluatedKey"].is_null()}),
        )
    };
    match found.await {
        Ok(found) => Json(found).into_response(),
        Err(error) => {
            eprintln!("cannot read items: {error:#}");
            message(StatusCode::BAD_GATEWAY, "The database does not respond")
        }
    }
}
