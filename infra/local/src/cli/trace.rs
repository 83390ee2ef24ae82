//! `cargo local --trace`: each call on the terminal.

use std::{sync::Arc, time::Duration};

use session_local::{Answered, trace::Tracer};
use tokio::{sync::broadcast::Receiver, sync::broadcast::error::RecvError, time::sleep};

/// A function's line in the log comes a moment after its answer.
const LINE_WITHIN: Duration = Duration::from_millis(500);

/// Prints each call with its event, its answer, its log line and its requests to DynamoDB.
pub(crate) async fn print(tracer: Arc<Tracer>, mut calls: Receiver<Answered>) {
    loop {
        match calls.recv().await {
            Ok(Answered { number: Some(number), in_background: false }) => {
                tokio::spawn(print_call(Arc::clone(&tracer), number));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                eprintln!("… {missed} calls are not printed: there were too many at once");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn print_call(tracer: Arc<Tracer>, number: u64) {
    const STEP: Duration = Duration::from_millis(5);
    let mut waited = Duration::ZERO;
    loop {
        let Some(call) = tracer.call(number) else { return };
        if call.is_complete() || waited >= LINE_WITHIN {
            eprintln!("{}", tracer.text(&call));
            return;
        }
        sleep(STEP).await;
        waited += STEP;
    }
}
