//! The servers that the functions need when each runs in a separate process: the development identity
//! provider, and a DynamoDB emulator that stores the sessions in memory.

mod table;

use std::{
    future, io,
    net::{Ipv4Addr, SocketAddr},
};

use dynoxide::Database;
use secrecy::{ExposeSecret as _, SecretString};
use shared::{
    crypto::random::Random,
    settings::Settings,
    store::table::{create_table, update_time_to_live},
};
use tokio::net::{TcpListener, TcpSocket};

use self::table::Table;
use crate::{
    bundle::BundleConfig,
    identity_provider::IdentityProvider,
    network::network,
    settings::{LocalRun, port, unusable_port},
};

/// The two servers, after binding their ports and creating the table.
pub struct Backends {
    /// The assumed settings and the address to open.
    pub run: LocalRun,
    /// The environment variables with which a function reaches the table.
    pub environment: [(&'static str, String); 7],
    provider: Option<IdentityProvider>,
    table: TableServer,
}

/// The server of the emulated session table.
struct TableServer {
    listener: TcpListener,
    table: Table,
}

impl Backends {
    /// Reads the settings of a local run, `DYNAMODB_PORT` and `SESSION_TABLE`; then binds the ports and
    /// creates the table. `None`: a fault was recorded in `settings`.
    ///
    /// Reads the functions' settings too, so that their faults are reported here and not when the
    /// first request starts a function.
    pub async fn start(settings: &mut Settings, random: &Random) -> Option<Self> {
        let store = settings.with_default("SESSION_STORE", (), |text| match text {
            "dynamodb" => Ok(()),
            _ => Err("must be `dynamodb` here: the functions are processes that share no memory"),
        });
        settings.assume("SESSION_STORE", "dynamodb");
        settings.assume("SESSION_TABLE", "sessions");
        let run = LocalRun::from_settings(settings, random);
        let port = port(settings, "DYNAMODB_PORT", DEFAULT_PORT);
        let functions = BundleConfig::from_settings(settings);
        let network = network(settings);
        let (_, mut run, _, _) = (store?, run?, functions?, network?);

        let provider = match run.provider.take() {
            Some(provider) => Some(provider.bind(settings).await?),
            None => None,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port?));
        let table = TableServer::new(settings, address, random)?;
        let environment = table.environment(settings)?;
        Some(Self { run, environment, provider, table })
    }

    /// Answers requests until the future is dropped.
    ///
    /// # Errors
    ///
    /// When a listener fails.
    pub async fn serve(self) -> io::Result<()> {
        let provider = async {
            match self.provider {
                Some(provider) => provider.serve().await,
                None => future::pending().await,
            }
        };
        let table = axum::serve(self.table.listener, table::router(self.table.table));
        tokio::select! {
            ended = provider => ended,
            ended = table => ended,
        }
    }
}

impl TableServer {
    /// Binds the port and creates the table. Records a fault of `DYNAMODB_PORT` if the port is
    /// unavailable, and of `SESSION_TABLE` if the table cannot be created.
    fn new(settings: &mut Settings, address: SocketAddr, random: &Random) -> Option<Self> {
        let listener = listen(address)
            .map_err(|error| unusable_port(settings, "DYNAMODB_PORT", address, &error))
            .ok()?;
        let database = database(settings.value_of("SESSION_TABLE")?)
            .map_err(|error| {
                settings.fault("SESSION_TABLE", format_args!("cannot be created: {error}"));
            })
            .ok()?;
        let access_key_id = SecretString::from(random.token());
        Some(Self { listener, table: Table { database, access_key_id } })
    }

    /// The environment variables with which a function reaches the table. The credentials are generated
    /// for this run. So the developer's own credentials are not used, and other programs cannot access
    /// the table.
    fn environment(&self, settings: &Settings) -> Option<[(&'static str, String); 7]> {
        let address = self.listener.local_addr().ok()?;
        Some([
            ("AWS_ACCESS_KEY_ID", self.table.access_key_id.expose_secret().to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{address}")),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".to_owned()),
            ("AWS_SESSION_TOKEN", String::new()),
            ("SESSION_STORE", "dynamodb".to_owned()),
            ("SESSION_TABLE", settings.value_of("SESSION_TABLE")?.to_owned()),
        ])
    }
}

const DEFAULT_PORT: u16 = 9_200;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Listens at `address`. Accepted connections inherit `TCP_NODELAY`. Without it, a long response, which
/// is written in two parts, waits about 40 ms for the client to acknowledge the first part.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_nodelay(true)?;
    // The port can be reused immediately after this process ends.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A database with the table as the deployment's template defines it.
fn database(name: &str) -> Result<Database, Box<dyn std::error::Error>> {
    let database = Database::memory()?;
    database.create_table(serde_json::from_value(create_table(name))?)?;
    database.update_time_to_live(serde_json::from_value(update_time_to_live(name))?)?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use shared::crypto::tls::Network;

    use super::*;

    const AUTH0: [(&str, &str); 3] =
        [("AUTH_HOST", "tenant.auth0.com"), ("CLIENT_ID", "id"), ("CLIENT_SECRET", "hunter2")];

    async fn start(values: &[(&str, &str)]) -> Result<Backends, String> {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let port = port.to_string();
        let values = [&[("DYNAMODB_PORT", port.as_str())], values].concat();
        let mut settings = Settings::from_values(values);
        let backends = Backends::start(&mut settings, &Random::system()).await;
        settings.finish().map_err(|error| error.to_string())?;
        Ok(backends.unwrap())
    }

    /// A web page can reach loopback, also under its own name (DNS rebinding), but has no access key.
    #[tokio::test]
    async fn r209_the_table_accepts_only_the_key_of_this_run_and_rejects_pages() {
        let backends = start(&AUTH0).await.unwrap();
        let value = |name: &str| {
            let mut environment = backends.environment.iter();
            environment.find(|(variable, _)| *variable == name).unwrap().1.clone()
        };
        let (endpoint, key) = (value("AWS_ENDPOINT_URL_DYNAMODB"), value("AWS_ACCESS_KEY_ID"));
        let another = start(&AUTH0).await.unwrap();
        assert!(another.environment.iter().all(|(_, value)| *value != key), "made for one run");
        tokio::spawn(backends.serve());

        let client = Network::default().client().unwrap().build().unwrap();
        let signed = |key: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/20260131/eu-central-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        let ask = async |operation: &str, headers: &[(&str, &str)]| {
            let mut request = client
                .post(&endpoint)
                .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
                .body(r#"{"TableName": "sessions"}"#);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.unwrap();
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
            (answer.status().as_u16(), answer.text().await.unwrap())
        };

        let own = signed(&key);
        let (status, text) = ask("Scan", &[("authorization", &own)]).await;
        assert_eq!((status, text.contains("\"Count\":0")), (200, true), "{text}");
        let localhost = [("authorization", own.as_str()), ("host", "localhost:9200")];
        assert_eq!(ask("Scan", &localhost).await.0, 200);
        for (headers, because) in [
            (&[("authorization", &*own), ("origin", "http://localhost:9000")][..], "no page"),
            (&[("authorization", &own), ("origin", "null")], "no page"),
            (&[("authorization", &own), ("host", "evil.example:9200")], "localhost only"),
            (&[("authorization", &own), ("host", "localhost.evil.example")], "localhost only"),
            (&[("authorization", &signed("emulator"))], "access key"),
            (&[("authorization", &signed(""))], "access key"),
            (&[("authorization", &own), ("authorization", &own)], "access key"),
            (&[], "access key"),
        ] {
            for operation in ["Scan", "PutItem"] {
                let (status, text) = ask(operation, headers).await;
                assert_eq!((status, text.contains(because)), (403, true), "{headers:?}: {text}");
            }
        }
        let (status, text) = ask("DeleteTable", &[("authorization", &own)]).await;
        assert_eq!((status, text.contains("not an operation")), (400, true), "{text}");
    }

    #[tokio::test]
    async fn faults_are_reported_before_anything_is_served() {
        for (variable, value, expected) in [
            ("SESSION_STORE", "memory", "must be `dynamodb` here"),
            ("SESSION_TABLE", "no table", "cannot be created"),
            ("SESSION_IDLE", "soon", "must be a time span"),
        ] {
            let message = start(&[&AUTH0[..], &[(variable, value)]].concat()).await.err().unwrap();
            assert!(message.contains(&format!("{variable} {expected}")), "{message}");
        }
    }
}
