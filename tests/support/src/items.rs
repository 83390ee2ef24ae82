//! Items as they are stored in the engine.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::test::{Test, User};

impl Test {
    /// Returns a user's session item as stored in the engine.
    pub async fn item(&self, user: &User, session_id: &str) -> Option<Value> {
        self.session_item(&user.account, session_id).await
    }

    /// Returns an account's session item as stored in the engine.
    pub async fn session_item(&self, account: &str, session_id: &str) -> Option<Value> {
        let key = json!({"userId": {"S": account}, "sessionId": {"S": session_id}});
        self.stored("SessionsTable", key).await
    }

    /// Returns the group item of a group as stored in the engine.
    pub async fn group_item(&self, group: &str) -> Option<Value> {
        self.stored("GroupsTable", json!({"groupId": {"S": group}})).await
    }

    /// Returns the reason and the body of the dead letter of this body, if there is one.
    pub async fn dead_letter(&self, body: &[u8]) -> Option<(String, Vec<u8>)> {
        let id = hex::encode(Sha256::digest(body));
        let item = self.stored("DeadLettersTable", json!({"copyId": {"S": id}})).await?;
        let text = |name: &str, kind: &str| item[name][kind].as_str().expect("a value").to_owned();
        let expires_in: u64 = text("expiresAt", "N").parse().expect("a number");
        let received: u64 = text("receivedAt", "N").parse().expect("a number");
        assert_eq!(expires_in - received / 1_000, 30 * 24 * 60 * 60);
        let gzipped = base64_simd::STANDARD.decode_to_vec(text("body", "B")).expect("base64");
        let mut body = Vec::new();
        GzDecoder::new(&*gzipped).read_to_end(&mut body).expect("gzip");
        Some((text("reason", "S"), body))
    }

    /// Writes an item as it is.
    pub async fn put_item(&self, table: &str, item: &Value) {
        let input = json!({"TableName": self.app.table(table), "Item": item});
        self.app.dynamodb().request("PutItem", &input).await.expect("the engine responds");
    }

    /// Overwrites an attribute of a session item.
    pub async fn damage_item(&self, user: &User, session_id: &str, attribute: &str, value: Value) {
        let key = json!({"userId": {"S": user.account}, "sessionId": {"S": session_id}});
        self.damage("SessionsTable", key, attribute, value).await;
    }

    /// Overwrites an attribute of an item.
    pub async fn damage(&self, table: &str, key: Value, attribute: &str, value: Value) {
        let input = json!({
            "TableName": self.app.table(table), "Key": key, "UpdateExpression": "SET #a = :v",
            "ExpressionAttributeNames": {"#a": attribute}, "ExpressionAttributeValues": {":v": value},
        });
        self.app.dynamodb().request("UpdateItem", &input).await.expect("the engine accepts it");
    }

    async fn stored(&self, table: &str, key: Value) -> Option<Value> {
        let input = json!({"TableName": self.app.table(table), "Key": key, "ConsistentRead": true});
        let output = self.app.dynamodb().request("GetItem", &input).await.expect("the engine responds");
        output.get("Item").filter(|item| !item.is_null()).cloned()
    }
}
