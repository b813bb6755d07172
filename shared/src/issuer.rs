//! The issuer identifier of the identity provider.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::settings::Settings;

/// An issuer identifier (OpenID Connect Core §2), and what the settings say about its provider.
///
/// `http` is accepted only for a loopback host, where the development provider runs. On any other host,
/// an attacker on the network could impersonate the provider.
#[derive(Clone, Eq, PartialEq)]
pub struct Issuer {
    url: Url,
    /// Exactly as in an `iss` claim.
    text: String,
    /// The name of a provider that is not Auth0.
    provider_name: Option<String>,
    /// The origins beside the issuer's where the provider may have endpoints.
    endpoint_origins: Vec<Url>,
}

/// Reasons why a text is not an issuer. The text is left out, because it may be a misplaced secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidIssuer {
    /// It has credentials, a query or a fragment, or is the address of the metadata. A host of Auth0
    /// also has no path.
    #[error(
        "must be a host or the issuer's URL alone, without query, user name or `/.well-known/openid-configuration`; Auth0's has no path"
    )]
    MoreThanIssuer,
    /// It contains a name from an example (`{yourDomain}`, `your-tenant.auth0.com`), is in quotes, or
    /// is without a dot.
    #[error(
        "must be the tenant's own domain, such as `tenant.eu.auth0.com`: a plain name, without quotes or braces, and not the placeholder of an example"
    )]
    NotHostName,
    /// It is `http` for a host that is not this machine, or has another scheme.
    #[error("must use https (http is for a loopback host only)")]
    NotHttps,
    /// It has no readable host.
    #[error("must be a host such as `tenant.eu.auth0.com`, or an https URL")]
    NotUrl,
}

impl Issuer {
    /// Reads `AUTH_HOST`, which contains `what`, `PROVIDER_NAME` and `AUTH_ENDPOINT_HOSTS`.
    pub fn from_settings(settings: &mut Settings, what: &str) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        let provider_name = settings.optional("PROVIDER_NAME", |text| {
            if text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control) {
                Ok(text.to_owned())
            } else {
                Err("must be the provider's name, of at most 64 characters")
            }
        });
        let is_named = settings.is_set("PROVIDER_NAME");
        let issuer = settings.required("AUTH_HOST", what, |text| {
            let issuer = if is_named { Self::parse_exact(text) } else { Self::parse(text) }?;
            // The development provider lets anyone log in as any user (R178).
            if inside_lambda && issuer.is_loopback() {
                return Err(InvalidIssuer::NotHttps);
            }
            Ok(issuer)
        });
        let is_loopback = issuer.as_ref().is_some_and(Self::is_loopback);
        let endpoint_origins = settings.with_default("AUTH_ENDPOINT_HOSTS", Vec::new(), |text| {
            let origins = text.split(',').map(|host| endpoint_origin(host.trim(), is_loopback));
            origins
                .collect::<Option<Vec<_>>>()
                .ok_or("must be host names, separated by commas, without scheme and path")
        });
        Some(Self {
            provider_name: provider_name.ok()?,
            endpoint_origins: endpoint_origins?,
            ..issuer?
        })
    }

    /// Parses a bare host (`tenant.eu.auth0.com`) or a URL. A URL without a path gets the trailing slash
    /// that Auth0 writes; one with a path is taken exactly.
    ///
    /// # Errors
    ///
    /// When the text is neither, or the connection would not be protected by TLS.
    pub fn parse(text: &str) -> Result<Self, InvalidIssuer> {
        let issuer = Self::parse_exact(text)?;
        let text = if issuer.url.path() == "/" { issuer.url.as_str().into() } else { issuer.text };
        Ok(Self { text, ..issuer })
    }

    /// Parses a bare host or a URL, and adds no trailing slash.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_exact(text: &str) -> Result<Self, InvalidIssuer> {
        let url = if text.contains("://") {
            Url::parse(text)
        } else {
            Url::parse(&format!("https://{text}"))
        };
        let url = url.map_err(|_| InvalidIssuer::NotUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidIssuer::NotHttps);
        }
        let is_auth0s = url.domain().is_some_and(|domain| domain.ends_with(".auth0.com"));
        if (is_auth0s && url.path() != "/")
            || url.path().contains("/.well-known/")
            || url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(InvalidIssuer::MoreThanIssuer);
        }
        match url.host() {
            None => return Err(InvalidIssuer::NotUrl),
            Some(Host::Domain(name)) if !is_loopback(&url) && !is_own_name(name) => {
                return Err(InvalidIssuer::NotHostName);
            }
            Some(_) if url.scheme() == "http" && !is_loopback(&url) => {
                return Err(InvalidIssuer::NotHttps);
            }
            // The braces of `{tenant}` in a path.
            Some(_) if text.contains(['{', '}']) => return Err(InvalidIssuer::NotHostName),
            Some(_) => {}
        }
        let written = url.as_str();
        let written = if text.ends_with('/') {
            written
        } else {
            written.strip_suffix('/').unwrap_or(written)
        };
        let (text, provider_name, endpoint_origins) = (written.to_owned(), None, Vec::new());
        Ok(Self { url, text, provider_name, endpoint_origins })
    }

    /// The identifier exactly as in an `iss` claim.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the provider speaks Auth0's dialect, as the development provider does: it has no other
    /// name, and its issuer has no path.
    pub fn is_auth0(&self) -> bool {
        self.provider_name.is_none() && self.url.path() == "/"
    }

    /// Whether the issuer is a user pool of Amazon Cognito.
    pub fn is_cognito(&self) -> bool {
        self.url.domain().is_some_and(|domain| {
            let region = domain.strip_prefix("cognito-idp.").unwrap_or_default();
            region.ends_with(".amazonaws.com") || region.ends_with(".amazonaws.com.cn")
        })
    }

    /// The name of a provider that is not Auth0, for people.
    pub fn provider_name(&self) -> Option<&str> {
        self.provider_name.as_deref()
    }

    /// The address of the metadata: below the identifier without its trailing slash (OpenID Connect
    /// Discovery §4).
    pub fn metadata_url(&self) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([".well-known", "openid-configuration"]);
        }
        url
    }

    /// The identifier as a URL that paths can be joined to.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The origin in ASCII, without a trailing slash.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The origins of the issuer and of its endpoints, separated by spaces, for a
    /// Content-Security-Policy.
    pub fn origins(&self) -> String {
        let origins = [&self.url].into_iter().chain(&self.endpoint_origins);
        origins.map(|url| url.origin().ascii_serialization()).collect::<Vec<_>>().join(" ")
    }

    /// Whether the provider runs on this machine, so that `http` is allowed.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }

    /// Whether `url` has the scheme, host and port of the issuer or of `AUTH_ENDPOINT_HOSTS`, so that
    /// requests may be sent to it.
    ///
    /// Otherwise a discovery document with another host could make us send the client secret there, or
    /// send requests inside the operator's network.
    pub fn owns(&self, url: &Url) -> bool {
        let mut origins = [&self.url].into_iter().chain(&self.endpoint_origins);
        origins.any(|own| own.origin() == url.origin())
            && url.username().is_empty()
            && url.password().is_none()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `url` is reached by `https`, or by `http` on this machine outside Lambda.
pub(crate) fn is_https_or_local(url: &Url, inside_lambda: bool) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_loopback(url) && !inside_lambda
}

/// Whether `url` is on this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

/// The origin of an endpoint's host, which may have a port. A host on this machine is only accepted for a
/// provider on this machine, because Lambda's own API is there too.
fn endpoint_origin(host: &str, issuer_is_loopback: bool) -> Option<Url> {
    let scheme = if issuer_is_loopback { "http" } else { "https" };
    let url = Issuer::parse(&format!("{scheme}://{host}")).ok()?.url;
    let is_host_alone = url.path() == "/" && !host.ends_with('/');
    let is_remote_name = url.domain().is_some() && !is_loopback(&url);
    (is_host_alone && (issuer_is_loopback || is_remote_name)).then_some(url)
}

/// The longest name of a provider, in characters.
const LONGEST_NAME: usize = 64;

/// Placeholders for a tenant's name in documentation and dashboards.
const PLACEHOLDERS: [&str; 6] = [
    "your-auth0-domain",
    "your-domain",
    "your-tenant",
    "yourdomain",
    "yourtenant",
    "your-custom-domain",
];

/// Whether a domain can be a provider's: at least two labels of letters, digits and hyphens, none of
/// them a placeholder. The URL parser accepts more, such as quotes and braces.
fn is_own_name(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !PLACEHOLDERS.contains(&label)
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_and_a_url_name_the_same_issuer_with_a_trailing_slash() {
        for text in [
            "tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com",
            "https://tenant.eu.auth0.com/",
            "TENANT.eu.auth0.com",
        ] {
            assert_eq!(Issuer::parse(text).unwrap().as_str(), "https://tenant.eu.auth0.com/");
        }
    }

    /// R70.
    #[test]
    fn r070_a_path_is_taken_exactly_and_the_metadata_is_below_it() {
        for (text, metadata) in [
            ("https://login.example.com/realms/main", "/realms/main/"),
            ("https://login.example.com/realms/main/", "/realms/main/"),
        ] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!(issuer.as_str(), text);
            assert!(!issuer.is_auth0());
            let expected =
                format!("https://login.example.com{metadata}.well-known/openid-configuration");
            assert_eq!(issuer.metadata_url().as_str(), expected);
        }
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        assert!(issuer.is_auth0());
        let expected = "https://tenant.auth0.com/.well-known/openid-configuration";
        assert_eq!(issuer.metadata_url().as_str(), expected);
    }

    #[test]
    fn r070_the_issuer_of_a_named_provider_gets_no_slash() {
        for text in ["https://accounts.google.com", "https://login.example.com/"] {
            let issuer = read(&[("AUTH_HOST", text), ("PROVIDER_NAME", "Example")]).unwrap();
            assert_eq!(issuer.as_str(), text);
            assert_eq!(issuer.provider_name(), Some("Example"));
            assert!(!issuer.is_auth0());
        }
        let bare = read(&[("AUTH_HOST", "accounts.google.com"), ("PROVIDER_NAME", "Google")]);
        assert_eq!(bare.unwrap().as_str(), "https://accounts.google.com");
        let long = "x".repeat(LONGEST_NAME + 1);
        let refused = read(&[("AUTH_HOST", "login.example.com"), ("PROVIDER_NAME", &long)]);
        assert!(refused.unwrap_err().contains("PROVIDER_NAME must be the provider's name"));
    }

    /// R177.
    #[test]
    fn r177_http_is_accepted_for_loopback_only() {
        for text in ["http://localhost:9100", "http://127.0.0.1:9100/", "http://[::1]:9100"] {
            assert!(Issuer::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["http://tenant.auth0.com", "http://localhost.evil", "ftp://tenant.auth0.com"] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotHttps), "{text}");
        }
    }

    /// Inside Lambda a loopback host is no provider: only code in the function itself could answer.
    #[test]
    fn r178_a_loopback_issuer_is_refused_inside_lambda() {
        let inside = ("LAMBDA_TASK_ROOT", "/var/task");
        for text in ["http://localhost:9100", "https://127.0.0.1", "http://[::1]:9100"] {
            let refused = read(&[("AUTH_HOST", text), inside]).unwrap_err();
            assert!(refused.contains("\n  AUTH_HOST must use https"), "{refused}");
        }
        assert!(read(&[("AUTH_HOST", "tenant.auth0.com"), inside]).is_ok());
    }

    #[test]
    fn r215_a_placeholder_or_a_quoted_name_is_not_an_issuer() {
        for text in [
            "{yourDomain}",
            "https://{yourDomain}",
            "YOUR_DOMAIN",
            "your-tenant.auth0.com",
            "YOUR-TENANT.eu.auth0.com",
            "YOUR_TENANT.eu.auth0.com",
            "https://yourdomain.com/",
            "\"tenant.auth0.com\"",
            "'tenant.auth0.com'",
            "${AUTH0_DOMAIN}",
            "https://login.example.com/{tenant}/v2.0",
            "tenant",
            "tenant..auth0.com",
        ] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotHostName), "{text}");
        }
        for text in ["dev-1a2b3c4d.us.auth0.com", "your-music.eu.auth0.com", "bücher.example"] {
            assert!(Issuer::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn r177_a_query_a_user_or_the_metadatas_address_is_not_an_issuer() {
        for text in [
            "https://login.example.com/realms/main/.well-known/openid-configuration",
            "https://tenant.auth0.com/path",
            "https://user@tenant.auth0.com",
            "tenant.auth0.com?x",
            "tenant.auth0.com#x",
        ] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::MoreThanIssuer), "{text}");
        }
        for text in ["", "https://", "https:///", "not a host"] {
            assert_eq!(Issuer::parse(text), Err(InvalidIssuer::NotUrl), "{text}");
        }
    }

    /// R71.
    #[test]
    fn r071_only_the_same_origin_is_the_providers_own() {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let owns = |url: &str| issuer.owns(&Url::parse(url).unwrap());
        assert!(owns("https://tenant.auth0.com/oauth/token"));
        assert!(!owns("http://tenant.auth0.com/oauth/token"));
        assert!(!owns("https://tenant.auth0.com:8443/oauth/token"));
        assert!(!owns("https://tenant.auth0.com.evil/oauth/token"));
        assert!(!owns("https://169.254.169.254/oauth/token"));
        assert!(!owns("https://us:er@tenant.auth0.com/oauth/token"));
    }

    #[test]
    fn r071_listed_hosts_may_have_endpoints() {
        let issuer = read(&[
            ("AUTH_HOST", "https://accounts.google.com"),
            ("AUTH_ENDPOINT_HOSTS", "oauth2.googleapis.com, www.googleapis.com:8443"),
        ])
        .unwrap();
        let owns = |url: &str| issuer.owns(&Url::parse(url).unwrap());
        assert!(owns("https://accounts.google.com/o/oauth2/v2/auth"));
        assert!(owns("https://oauth2.googleapis.com/token"));
        assert!(owns("https://www.googleapis.com:8443/keys"));
        assert!(!owns("http://oauth2.googleapis.com/token"));
        assert!(!owns("https://www.googleapis.com/keys"));
        assert!(!owns("https://us:er@oauth2.googleapis.com/token"));
        assert!(!owns("https://token.oauth2.googleapis.com/token"));
        assert_eq!(
            issuer.origins(),
            "https://accounts.google.com https://oauth2.googleapis.com https://www.googleapis.com:8443"
        );
    }

    /// R71: not even an operator opens this machine or an address inside the network.
    #[test]
    fn r071_only_names_of_hosts_are_listed() {
        for hosts in [
            "https://a.example",
            "a.example/",
            "a.example/path",
            "*.example.com",
            "a.example,",
            "user@a.example",
            "localhost:9001",
            "127.0.0.1",
            "169.254.169.254",
            "[::1]",
        ] {
            let refused =
                read(&[("AUTH_HOST", "login.example.com"), ("AUTH_ENDPOINT_HOSTS", hosts)]);
            assert!(refused.unwrap_err().contains("\n  AUTH_ENDPOINT_HOSTS must be "), "{hosts}");
        }
        let local =
            read(&[("AUTH_HOST", "http://localhost:1"), ("AUTH_ENDPOINT_HOSTS", "localhost:2")]);
        assert!(local.unwrap().owns(&Url::parse("http://localhost:2/token").unwrap()));
    }

    fn read(values: &[(&str, &str)]) -> Result<Issuer, String> {
        let settings = Settings::from_values(values.iter().copied());
        let issuer = settings.read(|all| Issuer::from_settings(all, "the provider's host"));
        issuer.map_err(|error| error.to_string())
    }
}
