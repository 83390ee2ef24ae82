//! A proxy between the functions and the engine, which can cut their connections.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// A proxy of TCP connections, which runs until it is dropped.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    leads_to: Arc<Mutex<String>>,
    cuts: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(url: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let leads_to = Arc::new(Mutex::new(address(url).context("no address")?.to_owned()));
        let cuts = watch::Sender::new(0);
        let mut tasks = JoinSet::new();
        let (target, cut) = (Arc::clone(&leads_to), cuts.subscribe());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let engine = target.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let mut cut = cut.clone();
                cut.mark_unchanged();
                connections.spawn(async move {
                    let through = async {
                        let mut engine = TcpStream::connect(engine).await?;
                        engine.set_nodelay(true)?;
                        client.set_nodelay(true)?;
                        io::copy_bidirectional(&mut client, &mut engine).await
                    };
                    // In both cases both ends are closed. The client handles a broken connection.
                    tokio::select! {
                        _ = through => {}
                        _ = cut.changed() => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { endpoint, leads_to, cuts, _tasks: tasks })
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    /// Directs new connections to another engine, and cuts the existing ones.
    pub(crate) fn lead_to(&self, url: &str) {
        if let Some(address) = address(url) {
            address.clone_into(&mut self.leads_to.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.cut();
    }
}

fn address(url: &str) -> Option<&str> {
    Some(url.strip_prefix("http://")?.trim_end_matches('/'))
}
