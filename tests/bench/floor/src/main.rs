//! The minimum that a protected function must do: one RSA verification of the Bearer token's signature,
//! and one consistent `GetItem` of its session's row.
//!
//! | path | what it does |
//! |---|---|
//! | `/verify` | the verification |
//! | `/get` | the read, by the SDK as a user configures it |
//! | `/ours` | the read, by the SDK as `shared` configures it |
//! | `/signed` | the read, as a request that is signed by hand |
//! | `/` | the verification and the read of `/get` |
//!
//! Before its first answer, `/` also reads the rows that `protected` reads once: the provider's
//! documents, and the token's pointer. Nothing else is checked: no claim, no expiry, no content of a
//! row. The SDK uses the HTTP client of `shared`, since its default client is slower.

use std::{
    env, error,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::{
    behavior_version::BehaviorVersion, stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_types::{SdkConfig, region::Region};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use lambda_http::{Body, Error, Request, Response, run, service_fn};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use shared::{
    crypto::{self, tls::Network},
    settings::Settings,
};
use tokio::sync::OnceCell;

use self::signed::Signed;

#[path = "../../../../shared/src/aws/connector.rs"]
mod connector;
mod signed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let key = key(&env::var("MODULUS")?, &env::var("EXPONENT")?)?;
    let (client, table, row) = (client()?, env::var("SESSION_TABLE")?, env::var("ROW")?);
    let (documents, pointer) = (env::var("DOCUMENTS")?, env::var("POINTER")?);
    // Only the paths that use them pay for these.
    let (ours, signed) = (OnceCell::const_new(), OnceCell::const_new());
    let (key, client, ours, signed, table, row) = (&key, &client, &ours, &signed, &table, &row);
    let (documents, pointer, is_first) = (&documents, &pointer, &AtomicBool::new(true));
    run(service_fn(async move |request: Request| {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
        let path = request.uri().path();
        if path == "/" && is_first.swap(false, Ordering::Relaxed) {
            read_documents(client, table, documents).await?;
            is_there(client, table, pointer).await?;
        }
        let is_allowed = match path {
            "/verify" => is_signed(token, key),
            "/get" => is_there(client, table, row).await?,
            "/ours" => is_there(ours.get_or_try_init(our_client).await?, table, row).await?,
            "/signed" => {
                let client = signed.get_or_try_init(async || Signed::new(&network()?)).await?;
                client.is_there(table, row).await?
            }
            _ => is_signed(token, key) && is_there(client, table, row).await?,
        };
        let status = if is_allowed { 200 } else { 401 };
        Ok::<_, Error>(Response::builder().status(status).body(Body::from("Hello"))?)
    }))
    .await
}

fn key(modulus: &str, exponent: &str) -> Result<ParsedPublicKey, Error> {
    let n = BASE64_URL_SAFE_NO_PAD.decode(modulus)?;
    let e = BASE64_URL_SAFE_NO_PAD.decode(exponent)?;
    Ok(PublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?)
}

fn is_signed(token: &str, key: &ParsedPublicKey) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
    signature.is_ok_and(|signature| key.verify_sig(message.as_bytes(), &signature).is_ok())
}

async fn is_there(client: &Client, table: &str, row: &str) -> Result<bool, Error> {
    let key = AttributeValue::S(row.to_owned());
    let read = client.get_item().table_name(table).key("pk", key).consistent_read(true);
    Ok(read.send().await?.item.is_some())
}

async fn read_documents(client: &Client, table: &str, documents: &str) -> Result<(), Error> {
    let key = |row: &str| [("pk".to_owned(), AttributeValue::S(row.to_owned()))].into();
    let keys = documents.split(' ').map(key).collect();
    let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()?;
    client.batch_get_item().request_items(table, keys).send().await?;
    Ok(())
}

fn client() -> Result<Client, Box<dyn error::Error + Send + Sync>> {
    let credentials = Credentials::new(
        env::var("AWS_ACCESS_KEY_ID")?,
        env::var("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "environment",
    );
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(env::var("AWS_ENDPOINT_URL_DYNAMODB")?)
        .http_client(connector::Connector::new(false, &network()?)?)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Ok(Client::new(&config))
}

/// A network that trusts the authority of the emulated table.
fn network() -> Result<Network, Box<dyn error::Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(env::var("SSL_CERT_FILE")?)?)?;
    Ok(Network::new(Some(roots), None))
}

async fn our_client() -> Result<Client, Error> {
    let config = shared::aws::dynamodb(&mut Settings::from_env());
    Ok(Client::from_conf(config.ok_or("the environment is incomplete")?))
}
