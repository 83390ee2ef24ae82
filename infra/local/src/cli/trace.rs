//! `cargo local --trace`: prints each request on the terminal.

use std::{sync::Arc, time::Duration};

use session_local::console::{recorder::Completed, trace::Tracer};
use tokio::{sync::broadcast::Receiver, sync::broadcast::error::RecvError, time::sleep};

/// How long to wait for a function's log line, which follows its response shortly.
const LINE_WITHIN: Duration = Duration::from_millis(500);

/// Prints each request with its event, response, log line and requests to DynamoDB.
pub(crate) async fn print(tracer: Arc<Tracer>, mut completed: Receiver<Completed>) {
    loop {
        match completed.recv().await {
            Ok(Completed { number: Some(number), in_background: false }) => {
                tokio::spawn(print_exchange(Arc::clone(&tracer), number));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                eprintln!("… {missed} requests are not printed: there were too many");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn print_exchange(tracer: Arc<Tracer>, number: u64) {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        let Some(exchange) = tracer.exchange(number) else { return };
        if exchange.is_complete() || waited >= LINE_WITHIN {
            eprintln!("{}", tracer.text(&exchange));
            return;
        }
        sleep(STEP).await;
        waited += STEP;
    }
}
