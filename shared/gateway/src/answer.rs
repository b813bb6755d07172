//! Converts a handler's response to payload format 2.0.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::aws_lambda_events::{apigw::ApiGatewayV2httpResponse, encodings::Body};
use shared::{names::LogEvent, web::request::Response};

/// Converts `response`, to a request with `method`, to the form that API Gateway expects.
///
/// Payload 2.0 has one value per header, so several values are joined by commas (RFC 9110 §5.2).
/// `Set-Cookie` values must not be joined, so they go to `cookies` (R159). A value that is not UTF-8
/// cannot be part of JSON. It is left out, because an error here would end the process.
pub fn render(response: Response, method: &Method) -> ApiGatewayV2httpResponse {
    let (parts, body) = response.into_parts();
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = i64::from(parts.status.as_u16());
    answer.cookies = texts(&parts.headers, &header::SET_COOKIE).map(str::to_owned).collect();
    for name in parts.headers.keys().filter(|name| *name != header::SET_COOKIE) {
        let values: Vec<_> = texts(&parts.headers, name).collect();
        if let (false, Ok(value)) = (values.is_empty(), HeaderValue::try_from(values.join(", "))) {
            answer.headers.insert(name, value);
        }
    }
    if method == Method::HEAD || is_bodiless(parts.status) || body.is_empty() {
        return answer;
    }
    answer.body = Some(match str::from_utf8(&body) {
        Ok(text) if is_text(&parts.headers) => Body::Text(text.to_owned()),
        _ => {
            answer.is_base64_encoded = true;
            Body::Binary(body.into())
        }
    });
    answer
}

fn texts<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(move |value| {
        let text = str::from_utf8(value.as_bytes()).ok();
        if text.is_none() {
            tracing::error!(
                event = LogEvent::AnswerHeaderDropped.name(),
                header = name.as_str(),
                "a header value is not UTF-8 and is left out"
            );
        }
        text
    })
}

/// Whether a response with `status` has no body (RFC 9110 §6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn is_text(headers: &HeaderMap) -> bool {
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok())
    else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !headers.contains_key(header::CONTENT_ENCODING)
        && (essence.starts_with("text/")
            || ["json", "javascript", "xml"].iter().any(|kind| essence.ends_with(kind)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn rendered(method: &Method, builder: http::response::Builder, body: &'static [u8]) -> Value {
        let response = builder.body(Bytes::from_static(body)).unwrap();
        serde_json::to_value(render(response, method)).unwrap()
    }

    #[test]
    fn r159_every_set_cookie_is_in_the_cookies_array_only() {
        let builder = http::Response::builder()
            .header("set-cookie", "a=1; Secure")
            .header("set-cookie", "b=2")
            .header("vary", "Origin")
            .header("vary", "Accept")
            .header("content-type", "text/html; charset=utf-8");
        assert_eq!(
            rendered(&Method::GET, builder, b"<p>"),
            json!({
                "statusCode": 200,
                "headers": {"vary": "Origin, Accept", "content-type": "text/html; charset=utf-8"},
                "multiValueHeaders": {},
                "body": "<p>",
                "isBase64Encoded": false,
                "cookies": ["a=1; Secure", "b=2"],
            })
        );
    }

    #[test]
    fn text_is_returned_as_text_and_anything_else_in_base64() {
        for (content_type, is_base64) in [
            ("application/json", false),
            ("application/problem+json", false),
            ("text/javascript", false),
            ("image/svg+xml", false),
            ("image/png", true),
        ] {
            let builder = http::Response::builder().header("content-type", content_type);
            let answer = rendered(&Method::GET, builder, b"ok");
            assert_eq!(answer["isBase64Encoded"], is_base64, "{content_type}");
            assert_eq!(answer["body"], if is_base64 { "b2s=" } else { "ok" }, "{content_type}");
        }
        let text = || http::Response::builder().header("content-type", "text/plain");
        assert_eq!(rendered(&Method::GET, text(), b"\xff")["body"], "/w==");
        let packed = text().header("content-encoding", "br");
        assert_eq!(rendered(&Method::GET, packed, b"ok")["body"], "b2s=");
    }

    #[test]
    fn head_and_bodiless_statuses_have_no_body() {
        let text = |status: u16| {
            http::Response::builder().status(status).header("content-type", "text/plain")
        };
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 204), (Method::GET, 304)] {
            let answer = rendered(&method, text(status), b"body");
            assert_eq!(answer["statusCode"], status);
            assert_eq!(answer.get("body"), None, "{method} {status}");
        }
    }

    #[test]
    fn a_header_that_is_not_utf8_is_left_out_instead_of_ending_the_process() {
        let builder = http::Response::builder()
            .header("x-name", HeaderValue::from_bytes(b"\xff").unwrap())
            .header("set-cookie", HeaderValue::from_bytes(b"a=\xff").unwrap());
        let answer = rendered(&Method::GET, builder, b"");
        assert_eq!(answer["headers"], json!({}));
        assert_eq!(answer["cookies"], json!([]));
    }
}
