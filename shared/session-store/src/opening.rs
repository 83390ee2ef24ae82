//! Opening connections before the first call.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Config, config};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
    },
    orchestrator::HttpRequest,
};
use futures_util::future;
use tokio::{
    sync::{Barrier, Semaphore},
    time::timeout,
};

use crate::{
    Store,
    item::s,
    table::{SESSION_ID, USER_ID},
};

impl Store {
    /// Opens so many connections, each by reading a key that never exists: no account holds a `/`. Whatever comes back, the
    /// connection is open, so this needs no permission; if DynamoDB cannot be reached soon, the first call will tell.
    pub async fn open_connections(&self, count: usize) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let Some(http) = self.client.config().http_client() else { return };
        let config = Config::builder().http_client(one_connection_each(http, count));
        let reads = (0..count).map(|_| self.read_nothing(config.clone()));
        let _ = timeout(PATIENCE, future::join_all(reads)).await;
    }

    async fn read_nothing(&self, config: config::Builder) {
        let read = self
            .client
            .get_item()
            .table_name(&*self.sessions_table)
            .key(USER_ID, s("/open-connection"))
            .key(SESSION_ID, s("/"));
        let _ = read.customize().config_override(config).send().await;
    }
}

/// The same client for so many requests at once, each of which gets a connection of its own: no answer is read, and so no
/// connection is free again, before all have come. Without that a request would rather wait for a connection that is about
/// to be free, and leave its own half open for the first call to finish.
///
/// The first request goes ahead alone: the others resume its TLS session and need no signature and no certificates.
fn one_connection_each(http: SharedHttpClient, count: usize) -> SharedHttpClient {
    let meeting = Arc::new(Meeting::of(count));
    http_client_fn(move |settings, components| {
        let connector = http.http_connector(settings, components);
        SharedHttpConnector::new(Meets { connector, meeting: Arc::clone(&meeting) })
    })
}

/// Where the answers wait for each other.
#[derive(Debug)]
struct Meeting {
    count: usize,
    /// Who may send: one at first, then everybody.
    ahead: Semaphore,
    all: Barrier,
}

impl Meeting {
    fn of(count: usize) -> Self {
        Self { count, ahead: Semaphore::new(1), all: Barrier::new(count) }
    }
}

#[derive(Debug)]
struct Meets {
    connector: SharedHttpConnector,
    meeting: Arc<Meeting>,
}

impl HttpConnector for Meets {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connector, meeting) = (self.connector.clone(), Arc::clone(&self.meeting));
        HttpConnectorFuture::new(async move {
            if let Ok(turn) = meeting.ahead.acquire().await {
                turn.forget();
            }
            let answer = connector.call(request).await;
            meeting.ahead.add_permits(meeting.count);
            meeting.all.wait().await;
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_types::body::SdkBody;
    use futures_util::FutureExt;
    use tokio::sync::watch;

    use super::*;

    /// A connector that counts its requests and answers when it may.
    #[derive(Debug)]
    struct Counting {
        sent: watch::Sender<usize>,
        answers: Arc<Semaphore>,
    }

    impl HttpConnector for Counting {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.sent.send_modify(|sent| *sent += 1);
            let answers = Arc::clone(&self.answers);
            HttpConnectorFuture::new(async move {
                answers.acquire().await.unwrap().forget();
                Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::empty()))
            })
        }
    }

    #[test]
    fn the_first_goes_ahead_and_all_end_together() {
        let (sent, requests) = watch::channel(0);
        let answers = Arc::new(Semaphore::new(0));
        let connector = SharedHttpConnector::new(Counting { sent, answers: Arc::clone(&answers) });
        let meets = Meets { connector, meeting: Arc::new(Meeting::of(3)) };
        let mut all = future::join_all((0..3).map(|_| meets.call(HttpRequest::empty())));
        let mut step = |allowed| {
            answers.add_permits(allowed);
            // Twice: who waits for the last is woken by it.
            let ended = (0..2).any(|_| (&mut all).now_or_never().is_some());
            (*requests.borrow(), ended)
        };
        assert_eq!(step(0), (1, false), "one opens its connection");
        assert_eq!(step(1), (3, false), "the others follow");
        assert_eq!(step(1), (3, false), "whoever is answered waits for the last");
        assert_eq!(step(1), (3, true), "the last lets all end");
    }
}
