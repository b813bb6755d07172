//! Responses (pages, JSON and redirects) with the headers that every response needs.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{self, HeaderMap},
};
use serde::Serialize;

use crate::{
    crypto::random::Random,
    issuer::Issuer,
    names::ErrorCode,
    pages::{Action, Branding, Frame, MessageKind, MessagePage, Nonce, Picture, language, plain},
    web::{
        base_url::BaseUrl,
        cors::AllowedOrigins,
        error::{self, Failure, Public},
        request::{Request, RequestContext, Response},
    },
};

/// Builds responses.
#[derive(Clone, Debug)]
pub struct Responder {
    issuer: Issuer,
    base_url: BaseUrl,
    random: Random,
    branding: Branding,
    json_only: bool,
}

impl Responder {
    /// Responses of the bundle at `base_url` with the provider `issuer`.
    pub fn new(issuer: &Issuer, base_url: &BaseUrl, random: &Random) -> Self {
        Self {
            issuer: issuer.clone(),
            base_url: base_url.clone(),
            random: random.clone(),
            branding: Branding::default(),
            json_only: false,
        }
    }

    /// The same, with pages that show `branding`.
    pub fn branded(self, branding: Branding) -> Self {
        Self { branding, ..self }
    }

    /// The same, for a route that returns JSON even to a navigation.
    pub fn json_only(self) -> Self {
        Self { json_only: true, ..self }
    }

    /// A page in the language of `request`, with the Content-Security-Policy that contains its nonce.
    pub fn page(
        &self,
        request: &Request,
        status: StatusCode,
        render: impl FnOnce(Frame<'_>) -> String,
    ) -> Response {
        self.page_with_picture(request, status, None, render)
    }

    /// Like [`page`](Self::page), but the page may also load this picture.
    pub fn page_with_picture(
        &self,
        request: &Request,
        status: StatusCode,
        picture: Option<&Picture>,
        render: impl FnOnce(Frame<'_>) -> String,
    ) -> Response {
        let nonce = Nonce::new(&self.random);
        let texts = language::of(request).texts();
        let frame = Frame { nonce: &nonce, texts, branding: &self.branding };
        let mut response = self.answer(status, render(frame));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language"));
        let policy = self.content_security_policy(&nonce, picture);
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(PERMISSIONS_POLICY, HeaderValue::from_static(PERMISSIONS));
        headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
        response
    }

    /// A JSON response.
    #[expect(
        clippy::expect_used,
        reason = "bodies are maps of texts, numbers and JSON, which are JSON"
    )]
    pub fn json(&self, status: StatusCode, body: &impl Serialize) -> Response {
        let mut response = self.answer(status, serde_json::to_vec(body).expect("a body is JSON"));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// A response without a body.
    pub fn empty(&self, status: StatusCode) -> Response {
        self.answer(status, Bytes::new())
    }

    /// A 303 to `location`, which must be our own or the provider's address, never a text from a
    /// request.
    pub fn see_other(&self, location: &str) -> Response {
        let mut response = self.empty(StatusCode::SEE_OTHER);
        match HeaderValue::from_str(location) {
            Ok(location) => {
                response.headers_mut().insert(header::LOCATION, location);
                response
            }
            Err(_) => self.empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The response to `OPTIONS`, which requires no credential (R154): the requests that pages of
    /// `origins` may send.
    pub fn preflight(
        &self,
        request: &Request,
        origins: &AllowedOrigins,
        allow: &'static str,
    ) -> Response {
        let mut response = self.empty(StatusCode::NO_CONTENT);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        origins.share(request, &mut response);
        let headers = response.headers_mut();
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Authorization, Content-Type"),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response
    }

    /// Logs `failure` once, and returns a response with its public part.
    pub fn failure(&self, request: &Request, failure: &dyn Failure) -> Response {
        self.refuse(request, failure, &failure.public())
    }

    /// Like [`failure`](Self::failure), with a public part that the caller provides.
    pub fn refuse(&self, request: &Request, failure: &dyn Failure, public: &Public) -> Response {
        error::log(failure, public);
        self.public(request, public)
    }

    /// A 404, as a page or as JSON.
    pub fn not_found(&self, request: &Request) -> Response {
        let public = Public {
            action: Some((|texts| texts.actions.to_start_page, "/".to_owned())),
            ..Public::new(
                StatusCode::NOT_FOUND,
                ErrorCode::NotFound,
                |texts| texts.titles.page_not_found,
                |texts| texts.errors.not_found,
            )
        };
        self.public(request, &public)
    }

    /// A 405 with the allowed methods (RFC 9110 §15.5.6).
    pub fn method_not_allowed(&self, request: &Request, allow: &'static str) -> Response {
        let public = Public {
            headers: vec![(header::ALLOW, HeaderValue::from_static(allow))],
            ..Public::new(
                StatusCode::METHOD_NOT_ALLOWED,
                ErrorCode::MethodNotAllowed,
                |texts| texts.titles.method_not_allowed,
                |texts| texts.errors.method_not_allowed,
            )
        };
        self.public(request, &public)
    }

    fn public(&self, request: &Request, public: &Public) -> Response {
        let request_id = RequestContext::of(request).request_id;
        let request_id = Some(request_id.as_str()).filter(|request_id| !request_id.is_empty());
        let mut response = if wants_page(request) && !self.json_only {
            self.page(request, public.status, |frame| {
                let action = public.action.as_ref();
                let action = action.map(|(label, href)| Action { label: label(frame.texts), href });
                MessagePage {
                    frame,
                    kind: MessageKind::Problem,
                    title: (public.title)(frame.texts),
                    text: &[(public.description)(frame.texts)],
                    quote: public.quote.as_deref(),
                    account: public.account.as_deref(),
                    action,
                    request_id,
                }
                .render()
            })
        } else {
            let is_ours = public.status.is_server_error();
            self.json(public.status, &plain::body(public, request_id.filter(|_| is_ours)))
        };
        plain::add_headers(public, &mut response);
        response
    }

    fn answer(&self, status: StatusCode, body: impl Into<Bytes>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        self.complete(response)
    }

    /// Adds the headers that every response needs and that `response` lacks.
    pub(crate) fn complete(&self, response: Response) -> Response {
        plain::complete(response, self.base_url.is_https())
    }

    /// `form-action` includes the provider, because browsers apply it to redirects after a form is
    /// sent, and the logout redirects there. `img-src` includes `data:` for the icon, and the origins of
    /// the logo and the picture. Trusted Types enforce that no script of a page turns text into markup.
    #[expect(clippy::expect_used, reason = "origins and a base64url nonce fit a header")]
    fn content_security_policy(&self, nonce: &Nonce, picture: Option<&Picture>) -> HeaderValue {
        let provider = self.issuer.origins();
        let pictures: String = [picture, self.branding.logo()]
            .into_iter()
            .flatten()
            .map(|picture| format!(" {}", picture.origin()))
            .collect();
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:{pictures}; \
             connect-src 'self'; form-action 'self' {provider}; frame-ancestors 'none'; base-uri 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        );
        HeaderValue::from_str(&policy).expect("a policy is a header value")
    }
}

/// Whether `request` is a navigation by a person, see [`plain::wants_page`].
pub fn wants_page(request: &Request) -> bool {
    plain::wants_page(request.headers())
}

/// Whether `request` is a prefetch, or is not for a page. A request without these headers counts as a
/// navigation: only browsers send them.
pub fn is_not_navigation(request: &Request) -> bool {
    let is_ahead = PURPOSES.iter().any(|name| {
        text(request.headers(), name).is_some_and(|purpose| {
            let purpose = purpose.to_ascii_lowercase();
            purpose.contains("prefetch") || purpose.contains("prerender")
        })
    });
    is_ahead
        || text(request.headers(), &SEC_FETCH_DEST)
            .is_some_and(|destination| destination != "document")
}

/// Whether `method` only reads, so that a link or script on another site can do no harm with it.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

const PURPOSES: [HeaderName; 3] = [
    HeaderName::from_static("purpose"),
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("x-moz"),
];
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// The browser features that pages may use: writing to the clipboard, and nothing else.
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), \
    clipboard-read=(), clipboard-write=(self), display-capture=(), encrypted-media=(), fullscreen=(), \
    gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), picture-in-picture=(), publickey-credentials-create=(), \
    publickey-credentials-get=(), screen-wake-lock=(), serial=(), storage-access=(), usb=(), \
    window-management=(), xr-spatial-tracking=()";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
