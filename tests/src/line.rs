//! A network connection to a server on loopback that fails on demand: it closes or stalls.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch::Sender,
};

/// The state of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// Data arrives.
    Works,
    /// No data arrives and no side gets an error. Data sent meanwhile is lost if its sender gives up,
    /// and arrives late if the line works again before that.
    Stalls,
    /// Every connection is closed.
    Cut,
}

/// A line. It stops with the runtime of the test that started it.
#[derive(Clone, Debug)]
pub struct Line {
    address: SocketAddr,
    condition: Sender<Condition>,
    held_up: Arc<AtomicUsize>,
}

impl Line {
    /// Starts a working line to `server`.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let line =
            Self { address, condition: Sender::new(Condition::Works), held_up: Arc::default() };
        let laid = line.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let line = laid.clone();
                tokio::spawn(async move { line.carry(client, server).await });
            }
        });
        line
    }

    /// The address for clients.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the state from now on.
    pub fn set(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }

    /// The number of times that data stalled.
    #[must_use]
    pub fn held_up(&self) -> usize {
        self.held_up.load(Ordering::SeqCst)
    }

    /// Copies bytes both ways until one side closes or the line is cut.
    async fn carry(&self, client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(server).await?;
        // Without this, a message written in two parts would wait for an acknowledgement of the
        // first.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, mut to_client) = client.into_split();
        let (mut from_server, to_server) = server.into_split();
        tokio::select! {
            ended = self.forward(from_client, to_server) => ended,
            ended = copy(&mut from_server, &mut to_client) => ended.map(drop),
            () = self.becomes(|condition| condition == Condition::Cut) => Ok(()),
        }
    }

    async fn forward(
        &self,
        mut client: OwnedReadHalf,
        mut server: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        loop {
            tokio::select! {
                length = client.read_buf(&mut bytes) => {
                    if length? == 0 {
                        return Ok(());
                    }
                    if *self.condition.borrow() == Condition::Stalls {
                        self.held_up.fetch_add(1, Ordering::SeqCst);
                    }
                }
                () = self.becomes(|condition| condition != Condition::Stalls), if !bytes.is_empty() => {
                    server.write_all_buf(&mut bytes).await?;
                }
            }
        }
    }

    async fn becomes(&self, is_met: impl Fn(Condition) -> bool) {
        let mut condition = self.condition.subscribe();
        // Fails only if the sender is dropped; this line holds a sender itself.
        let _ = condition.wait_for(|condition| is_met(*condition)).await;
    }
}
