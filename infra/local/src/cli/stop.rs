//! Signals that stop the program.

use anyhow::Result;
use tokio::signal::ctrl_c;

/// Returns when the program is asked to stop: by Ctrl-C or, on Unix, by SIGTERM.
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
