//! The emulated table as far away as in AWS: behind TLS 1.3 with a chain of certificates, and half a
//! millisecond each way.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    version::TLS13,
};
use tempfile::TempDir;
use tokio::{io::copy_bidirectional, net};
use tokio_rustls::TlsAcceptor;

/// The time that bytes take to the table, and back.
const DELAY: Duration = Duration::from_micros(500);

/// The line to the table. It serves until the process ends.
pub(crate) struct RemoteTable {
    endpoint: String,
    authority: PathBuf,
    connections: Arc<Mutex<Vec<Connection>>>,
    _folder: TempDir,
}

/// A client's connection.
struct Connection {
    client: TcpStream,
    is_forgotten: Arc<AtomicBool>,
}

impl RemoteTable {
    /// Lays a line to the emulator at `endpoint`.
    pub(crate) async fn in_front_of(endpoint: &str) -> Self {
        let emulator = endpoint.trim_start_matches("http://").parse().expect("an address");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let authority = folder.path().join("authority.pem");
        let terminator = terminate(server_config(&authority), emulator).await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let opened = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let connection = carry(client, terminator).expect("the terminator listens");
                opened.lock().expect("it never panics").push(connection);
            }
        });
        // A name, so that each client looks it up.
        let endpoint = format!("https://localhost:{port}");
        Self { endpoint, authority, connections, _folder: folder }
    }

    /// Where functions reach the table.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The file with the authority to trust, as PEM.
    pub(crate) fn authority(&self) -> &Path {
        &self.authority
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self) {
        for connection in self.take() {
            // It fails if the client has closed the connection already.
            let _ = connection.client.shutdown(Shutdown::Both);
        }
    }

    /// Loses all that is sent over the present connections, without closing them.
    pub(crate) fn forget_all(&self) {
        for connection in self.take() {
            connection.is_forgotten.store(true, Ordering::SeqCst);
        }
    }

    fn take(&self) -> Vec<Connection> {
        std::mem::take(&mut *self.connections.lock().expect("it never panics"))
    }
}

/// A configuration with a new chain of certificates, whose root is written to `authority`. Root,
/// intermediate and leaf have RSA-2048 keys, as DynamoDB's.
fn server_config(authority: &Path) -> ServerConfig {
    let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    let params = |name: &str| {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let of_authority = |name| {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(of_authority("root"), key()).expect("a certificate");
    let middle = CertifiedIssuer::signed_by(of_authority("intermediate"), key(), &root);
    let middle = middle.expect("a certificate");
    let own_key = key();
    let leaf = params("localhost").signed_by(&own_key, &middle).expect("a certificate");
    std::fs::write(authority, root.pem()).expect("the folder is writable");

    let chain = vec![leaf.der().clone(), middle.as_ref().der().clone()];
    let own_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own_key.serialize_der()));
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the library supports it")
        .with_no_client_auth()
        .with_single_cert(chain, own_key)
        .expect("the key belongs to the certificate")
}

/// Ends TLS in front of the emulator. Returns the address.
async fn terminate(config: ServerConfig, emulator: SocketAddr) -> SocketAddr {
    let listener = net::TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback is there");
    let address = listener.local_addr().expect("it is bound");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                client.set_nodelay(true)?;
                let mut client = acceptor.accept(client).await?;
                let mut emulator = net::TcpStream::connect(emulator).await?;
                emulator.set_nodelay(true)?;
                copy_bidirectional(&mut client, &mut emulator).await
            });
        }
    });
    address
}

/// Carries a client's bytes to `server` and back. Threads do that, since the clock of Tokio counts
/// whole milliseconds.
fn carry(client: TcpStream, server: SocketAddr) -> io::Result<Connection> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_forgotten = Arc::<AtomicBool>::default();
    // Loopback opens connections at once. So the first bytes wait for TCP's handshake too.
    let opening = DELAY * 2;
    delay(client.try_clone()?, server.try_clone()?, opening, Arc::clone(&is_forgotten));
    delay(server, client.try_clone()?, Duration::ZERO, Arc::clone(&is_forgotten));
    Ok(Connection { client, is_forgotten })
}

/// Copies bytes from one side to the other, each after [`DELAY`], the first ones after `opening` too.
fn delay(mut from: TcpStream, mut to: TcpStream, opening: Duration, is_forgotten: Arc<AtomicBool>) {
    let (sender, received) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut opening = opening;
        let mut bytes = [0; 16_384];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let due = Instant::now() + DELAY + std::mem::take(&mut opening);
            if !is_forgotten.load(Ordering::SeqCst) {
                let _ = sender.send((due, bytes[..length].to_vec()));
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in received {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
