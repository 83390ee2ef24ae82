//! What the routes work on.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};

use crate::{
    backend::signing::{KeyPair, sign},
    console::recorder::Recorder,
    emulator::{
        dynamodb::DynamoDb,
        gateway::{Gateway, message},
        template::Table,
    },
};

/// The parts of a local service.
pub(crate) struct LocalService {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) recorder: Arc<Recorder>,
    /// The engine behind the functions.
    pub(crate) dynamodb: DynamoDb,
    /// The tables whose expired items are deleted.
    pub(crate) swept: Vec<Table>,
    /// The key pair that signs requests of the messaging backend.
    pub(crate) signed_by: KeyPair,
}

impl LocalService {
    /// Sends a request to the service itself and returns the response. The request is traced like any other.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        mut headers: HeaderMap,
        body: String,
        signed: bool,
    ) -> Response {
        if signed {
            let cur_time = self.gateway.clock.now_ms().to_string();
            let (md5, check_sum) = sign(&self.signed_by.app_secret, &body, &cur_time);
            let pairs = [
                ("appkey", &self.signed_by.app_key),
                ("curtime", &cur_time),
                ("md5", &md5),
                ("checksum", &check_sum),
            ];
            for (name, value) in pairs {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(name, value);
                }
            }
        }
        if let Ok(host) = HeaderValue::from_str(self.gateway.url.trim_start_matches("http://")) {
            headers.insert(header::HOST, host);
        }
        let (Ok(method), true) = (method.parse::<Method>(), path.starts_with('/')) else {
            return message(StatusCode::BAD_REQUEST, "method and path must be those of a request");
        };
        match Request::builder().method(method).uri(path).body(Body::from(body)) {
            Ok(mut request) => {
                *request.headers_mut() = headers;
                self.gateway.serve(request).await
            }
            Err(_) => message(StatusCode::BAD_REQUEST, "path must be that of a request"),
        }
    }
}
