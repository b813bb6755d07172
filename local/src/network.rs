//! Settings for a company network: private certificate authorities and an outgoing proxy.
//!
//! Only for programs on a developer's machine. Inside Lambda both are ignored: see [`Network`].

use std::{env, path::Path};

use reqwest::{NoProxy, Proxy};
use rustls::RootCertStore;
use rustls_native_certs::load_certs_from_paths;
use shared::{crypto::tls::Network, settings::Settings};
use url::Url;

/// Reads `SSL_CERT_FILE`, `SSL_CERT_DIR`, `HTTPS_PROXY` and `NO_PROXY`, as other programs do. The given
/// authorities are trusted instead of the bundled ones. The last two names may be in lower case.
pub fn network(settings: &mut Settings) -> Option<Network> {
    let file = settings.optional("SSL_CERT_FILE", |path| authorities(Some(path), None));
    let folders = settings.optional("SSL_CERT_DIR", |path| authorities(None, Some(path)));
    let upper = settings.optional("HTTPS_PROXY", proxy);
    let lower = settings.optional("https_proxy", proxy);
    let exceptions = |text: &str| Ok::<_, &str>(NoProxy::from_string(text));
    let upper_exceptions = settings.optional("NO_PROXY", exceptions);
    let lower_exceptions = settings.optional("no_proxy", exceptions);
    let exceptions = upper_exceptions.ok()?.or(lower_exceptions.ok()?).flatten();

    let roots = match (file.ok()?, folders.ok()?) {
        (Some(mut file), Some(folders)) => {
            file.roots.extend(folders.roots);
            Some(file)
        }
        (file, folders) => file.or(folders),
    };
    let proxy = upper.ok()?.or(lower.ok()?).map(|proxy| proxy.no_proxy(exceptions));
    Some(Network::new(roots, proxy))
}

fn authorities(file: Option<&str>, folders: Option<&str>) -> Result<RootCertStore, &'static str> {
    let mut roots = RootCertStore::empty();
    let mut add = |file: Option<&Path>, folder: Option<&Path>| {
        let found = load_certs_from_paths(file, folder);
        roots.add_parsable_certificates(found.certs);
    };
    if let Some(file) = file {
        add(Some(Path::new(file)), None);
    }
    for folder in folders.map(env::split_paths).into_iter().flatten() {
        add(None, Some(&folder));
    }
    if roots.is_empty() {
        return Err("names no certificate that can be read (PEM)");
    }
    Ok(roots)
}

fn proxy(text: &str) -> Result<Proxy, &'static str> {
    const MUST_BE: &str = "must be a proxy such as `http://proxy.example.com:3128`";
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|_| MUST_BE)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(MUST_BE);
    }
    Proxy::https(url).map_err(|_| MUST_BE)
}
