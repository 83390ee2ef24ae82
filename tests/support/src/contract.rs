//! The OpenAPI document. Every request and response of every scenario is validated against `infra/openapi.yaml`, and every status
//! of every operation must be seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};
use session_local::emulator::openapi;

/// The media type of a JSON merge patch. `PATCH` takes it, with `null` to remove, but the document does not name it: generators of
/// clients cannot deal with two media types of one body.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// The document that this run is validated against.
pub static CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(&openapi::read().expect("infra/openapi.yaml is read")));

/// Statuses that no scenario can get from any operation: the gateway's own for too many requests, and an error of ours.
const NOT_TO_BE_SEEN: [u16; 2] = [429, 500];

/// The document, with its schemas compiled.
pub struct Contract {
    operations: Vec<Operation>,
    /// The schemas of the JSON in the string `lastMsg`, by `lastMsgType`.
    last_msg: [Validator; 2],
    seen: Mutex<BTreeSet<(String, u16)>>,
    /// The document's components, closed against fields that they do not name.
    closed: Value,
}

struct Operation {
    id: String,
    method: Method,
    path: Vec<String>,
    parameters: BTreeSet<String>,
    requests: BTreeMap<String, Validator>,
    /// The schemas of responses, by status and content type.
    responses: BTreeMap<u16, BTreeMap<String, Validator>>,
}

/// A request as sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Contract {
    fn new(document: &Value) -> Self {
        let (open, closed) = (document["components"].clone(), closed(&document["components"]));
        let mut operations = Vec::new();
        for (path, of_path) in document["paths"].as_object().expect("paths") {
            for (method, operation) in of_path.as_object().expect("operations") {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                if operation["operationId"].is_string() {
                    operations.push(Operation::new(document, path, method, operation, &open, &closed));
                }
            }
        }
        let last_msg = ["LastMessage", "RecallNotice"]
            .map(|name| validator(&json!({"$ref": format!("#/components/schemas/{name}")}), &closed));
        Self { operations, last_msg, closed, seen: Mutex::default() }
    }

    /// Validates a request and its response against the document. A request that matches no operation is ignored.
    pub fn check(&self, request: &Request, status: u16, content_type: &str, body: &Value) {
        let of_request = self.operations.iter().filter(|operation| operation.is_of(request));
        // `/v1/sessions/changes` also matches `/v1/sessions/{sessionId}`.
        let Some(operation) = of_request.min_by_key(|operation| operation.wildcards()) else { return };
        let described = format!("{} responds {status} {content_type}", operation.id);
        let responses =
            operation.responses.get(&status).unwrap_or_else(|| panic!("undocumented: {described}: {body}"));
        let schema =
            responses.get(content_type).unwrap_or_else(|| panic!("undocumented: {described}: {body}"));
        if let Err(error) = schema.validate(body) {
            panic!("{described}, not as documented: {error} at {}: {body}", error.instance_path());
        }
        self.check_last_msgs(body);
        if status == 200 {
            operation.check_request(request, body);
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert((operation.id.clone(), status));
    }

    fn check_last_msgs(&self, body: &Value) {
        match body {
            Value::Array(values) => values.iter().for_each(|value| self.check_last_msgs(value)),
            Value::Object(fields) => {
                if let (Some(Value::String(text)), Some(kind)) =
                    (fields.get("lastMsg"), fields.get("lastMsgType").and_then(Value::as_u64))
                {
                    let last_msg: Value = serde_json::from_str(text).expect("lastMsg is JSON");
                    let schema = &self.last_msg[usize::try_from(kind).expect("0 or 1")];
                    if let Err(error) = schema.validate(&last_msg) {
                        panic!("lastMsg is not as documented: {error}: {last_msg}");
                    }
                }
                fields.values().for_each(|value| self.check_last_msgs(value));
            }
            _ => {}
        }
    }

    /// Validates a value against the closed schema of this name.
    pub fn holds(&self, schema: &str, value: &Value) {
        let schema = validator(&json!({"$ref": format!("#/components/schemas/{schema}")}), &self.closed);
        if let Err(error) = schema.validate(value) {
            panic!("not as documented: {error} at {}: {value}", error.instance_path());
        }
    }

    /// Returns the documented statuses that were not seen.
    pub fn unseen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let documented = self
            .operations
            .iter()
            .flat_map(|operation| operation.responses.keys().map(|status| (operation.id.clone(), *status)));
        let unseen = documented
            .filter(|(_, status)| !NOT_TO_BE_SEEN.contains(status))
            .filter(|documented| !seen.contains(documented));
        unseen.map(|(id, status)| format!("{id} {status}")).collect()
    }

    /// Returns the documented routes, in the template's notation.
    pub fn routes(&self) -> BTreeSet<String> {
        let routes = self.operations.iter();
        routes.map(|operation| format!("{} /{}", operation.method, operation.path.join("/"))).collect()
    }
}

impl Operation {
    fn new(
        document: &Value,
        path: &str,
        method: Method,
        operation: &Value,
        open: &Value,
        closed: &Value,
    ) -> Self {
        let contents = |of: &Value, components: &Value| -> BTreeMap<String, Validator> {
            let contents = of["content"].as_object().into_iter().flatten();
            contents
                .map(|(kind, content)| (kind.clone(), validator(&content["schema"], components)))
                .collect()
        };
        let responses =
            operation["responses"].as_object().expect("responses").iter().map(|(status, response)| {
                (status.parse().expect("a status"), contents(resolved(document, response), closed))
            });
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        Self {
            id: operation["operationId"].as_str().expect("an id").to_owned(),
            method,
            path: path.trim_start_matches('/').split('/').map(str::to_owned).collect(),
            parameters: parameters
                .map(|parameter| resolved(document, parameter)["name"].as_str().expect("a name").to_owned())
                .collect(),
            requests: contents(&operation["requestBody"], open),
            responses: responses.collect(),
        }
    }

    fn is_of(&self, request: &Request) -> bool {
        let given: Vec<_> = request.path.trim_start_matches('/').split('/').collect();
        let fits = |(of, given): (&String, &&str)| of == given || (is_wildcard(of) && !given.is_empty());
        self.method == request.method
            && self.path.len() == given.len()
            && self.path.iter().zip(&given).all(fits)
    }

    fn wildcards(&self) -> usize {
        self.path.iter().filter(|part| is_wildcard(part)).count()
    }

    /// Validates a request that got a 200: it must be documented as accepted.
    fn check_request(&self, request: &Request, response: &Value) {
        for name in
            request.query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty())
        {
            let is_known = self.parameters.contains(name) || self.id == "recordMessage";
            assert!(is_known, "{} took the undocumented parameter {name}", self.id);
        }
        // Of message copies only the applied ones are validated, without their content type.
        let is_copy = self.id == "recordMessage";
        if self.requests.is_empty()
            || (is_copy && (response["result"] != "applied" || request.body.is_empty()))
        {
            return;
        }
        let kind = if is_copy {
            "application/json"
        } else {
            request.content_type.split(';').next().unwrap_or_default()
        };
        let kind = kind.trim().to_ascii_lowercase();
        if self.id == "updateMySession" && kind == MERGE_PATCH {
            return;
        }
        let schema = self.requests.get(&kind).unwrap_or_else(|| panic!("{} took {kind}", self.id));
        let text = String::from_utf8_lossy(&request.body);
        let Ok(body) = serde_json::from_str(text.trim_start_matches('\u{feff}')) else {
            // A message copy may contain half a character, or be cut off.
            assert!(is_copy, "{} accepted a body that is not JSON", self.id);
            return;
        };
        if let Err(error) = schema.validate(&body) {
            panic!("{} took an undocumented body: {error}: {body}", self.id);
        }
    }
}

fn is_wildcard(part: &str) -> bool {
    part.starts_with('{')
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("what is referred to"),
        None => value,
    }
}

fn validator(schema: &Value, components: &Value) -> Validator {
    let mut root = schema.clone();
    root["components"] = components.clone();
    jsonschema::draft202012::new(&root).expect("a schema")
}

/// Closes schemas. Responses may gain fields, but in tests an undocumented field is an error.
fn closed(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(closed).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match name.as_str() {
                "additionalProperties" => (name.clone(), json!(false)),
                _ => (name.clone(), closed(value)),
            })
            .collect(),
        scalar => scalar.clone(),
    }
}

/// Limits in the document, by their JSON pointers.
pub mod limits {
    use serde_json::Value;
    use session_local::emulator::openapi;

    pub fn number(pointer: &str) -> usize {
        let contract = openapi::read().unwrap();
        let number = contract.pointer(pointer).and_then(Value::as_u64);
        usize::try_from(number.unwrap_or_else(|| panic!("{pointer} is not a number"))).unwrap()
    }

    pub const LIMIT: &str = "/components/parameters/limit/schema/maximum";
    pub const EXT: &str = "/components/schemas/SessionUpdate/properties/ext/maxLength";
    pub const IDS: &str = "/components/schemas/SessionDeletes/properties/sessionIds/maxItems";
    pub const CHANGES: &str = "/components/schemas/MemberChanges/properties/add/maxItems";
    pub const MEMBERS: &str = "/components/schemas/MemberList/properties/members/maxItems";
}
