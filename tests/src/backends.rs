//! The backends of functions that run as separate processes: the development provider and a DynamoDB
//! table.

use std::thread;

use local::backends;
use shared::{crypto::random::Random, settings::Settings};
use tokio::{runtime, sync::oneshot};

use crate::watch::free_port;

/// The running backends. Dropping this stops them and discards their data.
#[derive(Debug)]
pub struct Backends {
    /// `AUTH_HOST`, given or assumed.
    pub auth_host: String,
    /// `CLIENT_ID`, given or assumed.
    pub client_id: String,
    /// The environment variables with which a function reaches the table.
    pub table: Vec<(String, String)>,
    _end: oneshot::Sender<()>,
}

impl Backends {
    /// Starts the backends on free ports with exactly these settings, on a thread apart. If `AUTH_HOST`
    /// is among them, there is a table but no provider.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let ports = ["DYNAMODB_PORT", "PROVIDER_PORT"].map(|name| (name, free_port().to_string()));
        let ports = ports.iter().map(|(name, port)| (*name, port.as_str()));
        let mut settings = Settings::from_values(ports.chain(settings.iter().copied()));
        let (started, start) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be made").block_on(async {
                let backends = backends::Backends::start(&mut settings, &Random::system()).await;
                settings.clone().finish().unwrap_or_else(|error| panic!("{error}"));
                let backends = backends.expect("no setting is invalid");
                let table = backends.environment.clone();
                let table = table.map(|(name, value)| (name.to_owned(), value)).into();
                let setting = |name| settings.value_of(name).expect("a setting").to_owned();
                let application = (setting("AUTH_HOST"), setting("CLIENT_ID"));
                started.send((application, table)).expect("the test waits for it");
                tokio::select! {
                    served = backends.serve() => served.expect("loopback can be served"),
                    // The sender never sends; it is dropped.
                    _ = ended => {}
                }
            });
        });
        let ((auth_host, client_id), table) = start.await.expect("the backends have started");
        Self { auth_host, client_id, table, _end: end }
    }
}
