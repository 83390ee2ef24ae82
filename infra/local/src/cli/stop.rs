//! When to stop.

use anyhow::Result;
use tokio::signal::ctrl_c;

/// Returns when somebody asks the program to stop: Ctrl-C, or SIGTERM where there is such a thing.
pub(crate) async fn requested() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await?;
    Ok(())
}
