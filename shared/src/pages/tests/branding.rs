//! Tests the settings of the application's name, logo and colour, and the pages with them.

use bytes::Bytes;
use http::{StatusCode, header};

use super::*;
use crate::{
    pages::{
        contrast::{Colour, Scheme},
        respond::Responder,
    },
    settings::Settings,
    web::{
        base_url::BaseUrl,
        request::{Request, Response},
    },
};

const LOGO: &str = "https://cdn.example/brand/logo.svg?v=1";

#[test]
fn every_page_shows_the_name_the_logo_and_the_colour() {
    let settings = [("APP_NAME", "Acme Ünited"), ("LOGO_URL", LOGO), ("ACCENT_COLOR", "#7A1FA2")];
    for (name, html) in branded_pages(&settings) {
        assert_sound(name, &html);
        let page = Page::parse(&html);
        assert_eq!(page.attribute("img.logo", "src"), LOGO, "{name}");
        assert_eq!(page.attribute("img.logo", "alt"), "Acme Ünited", "{name}");
        assert!(page.text("title").ends_with(" · Acme Ünited"), "{name}");
        assert!(page.text("style").contains("--accent: #7a1fa2;"), "{name}");
        assert!(page.attribute("link", "href").contains("fill='%237a1fa2'"), "{name}");
    }
}

#[test]
fn without_a_logo_every_page_shows_the_name() {
    for (name, html) in branded_pages(&[("APP_NAME", "Acme")]) {
        let page = Page::parse(&html);
        assert_eq!(page.text(".brand"), "Acme", "{name}");
        assert!(page.all(".logo").is_empty(), "{name}");
    }
}

#[test]
fn without_settings_no_page_shows_a_name_or_a_logo() {
    for (name, html) in branded_pages(&[]) {
        let page = Page::parse(&html);
        assert!(page.all(".brand, .logo").is_empty(), "{name}");
        assert!(!page.text("title").contains('·'), "{name}");
    }
}

/// R171.
#[test]
fn r171_a_name_with_markup_is_shown_as_plain_text() {
    let hostile = "</title><img src=x onerror=alert(1)>";
    for (name, html) in branded_pages(&[("APP_NAME", hostile)]) {
        assert_sound(name, &html);
        assert_eq!(Page::parse(&html).text(".brand"), hostile, "{name}");
    }
}

/// R171, R172: a page may load pictures from the logo's origin, and from nowhere else.
#[test]
fn r172_the_policy_allows_the_origin_of_the_logo_and_nothing_wider() {
    let plain = image_sources(&response(&[]));
    let branded = image_sources(&response(&[("APP_NAME", "Acme"), ("LOGO_URL", LOGO)]));
    assert_eq!(plain, "img-src data:");
    assert_eq!(branded, "img-src data: https://cdn.example");
}

#[test]
fn a_page_varies_by_the_accepted_language() {
    assert_eq!(response(&[]).headers()[header::VARY], "Accept-Language");
}

#[test]
fn a_name_is_short_and_has_no_control_characters() {
    let longest = "ü".repeat(64);
    assert!(read(&[("APP_NAME", &longest)]).is_ok());
    for name in [&*"ü".repeat(65), "Ac\nme", "Ac\u{7f}me", "Ac\u{85}me"] {
        let expected = "\n  APP_NAME must have at most 64 characters, and no control characters";
        assert!(read(&[("APP_NAME", name)]).unwrap_err().ends_with(expected), "{name:?}");
    }
}

#[test]
fn r171_a_logo_has_an_https_address_that_is_safe_in_a_policy() {
    let read = |logo: &str| read(&[("APP_NAME", "Acme"), ("LOGO_URL", logo)]);
    assert!(read(LOGO).is_ok());
    assert!(read("http://localhost:9100/logo.svg").is_ok());
    for logo in [
        "http://cdn.example/logo.svg",
        "//cdn.example/logo.svg",
        "/logo.svg",
        "data:image/svg+xml,<svg/>",
        "javascript:alert(1)",
        "https://user@cdn.example/logo.svg",
        "https://user:secret@cdn.example/logo.svg",
        "https://:secret@cdn.example/logo.svg",
        "https://*.example/logo.svg",
        "https://a;form-action/",
        "https://a,sandbox/",
        "https://[::1]/logo.svg",
    ] {
        let error = read(logo).unwrap_err();
        assert!(error.contains("\n  LOGO_URL must be an address such as"), "{logo}: {error}");
    }
}

#[test]
fn inside_lambda_a_logo_needs_https() {
    let values = [
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("APP_NAME", "Acme"),
        ("LOGO_URL", "http://localhost:9100/logo.svg"),
    ];
    assert!(read(&values).unwrap_err().contains("LOGO_URL must be"));
}

#[test]
fn a_logo_needs_a_name() {
    assert_eq!(
        read(&[("LOGO_URL", LOGO)]).unwrap_err(),
        "the configuration cannot be used:\n  \
         LOGO_URL needs APP_NAME, the text for people who do not see the logo"
    );
}

#[test]
fn an_accent_is_six_hexadecimal_digits() {
    for accent in ["2b4cc0", "#2b4", "#2b4cc0ff", "#2b4cg0", "#+b4cc0", "blue", "#2b4cc0;}"] {
        let error = read(&[("ACCENT_COLOR", accent)]).unwrap_err();
        assert!(error.ends_with("ACCENT_COLOR must be a colour such as `#2b4cc0`"), "{error}");
    }
}

#[test]
fn an_accent_that_is_hard_to_read_in_the_light_scheme_is_refused() {
    for (accent, contrast) in [("#ffcc00", "1.4"), ("#808080", "3.6"), ("#ffffff", "1.1")] {
        let expected = format!(
            "ACCENT_COLOR must be darker: accent on page has a contrast of {contrast} : 1, not 4.5 : 1"
        );
        let error = read(&[("ACCENT_COLOR", accent)]).unwrap_err();
        assert!(error.ends_with(&expected), "{error}");
    }
}

/// The accent of the dark scheme is computed, for any accent that the light scheme accepts.
#[test]
fn every_accepted_accent_passes_in_both_schemes() {
    let mut accepted = 0;
    for step in 0..16_u32.pow(3) {
        let [red, green, blue] = [step / 256, step / 16 % 16, step % 16].map(|part| part * 17);
        let text = format!("#{red:02x}{green:02x}{blue:02x}");
        let Ok(branding) = read(&[("ACCENT_COLOR", &text)]) else { continue };
        accepted += 1;
        let accent = branding.accent().unwrap();
        assert_eq!(Some(accent.light), Colour::parse(&text));
        for (scheme, accent) in Scheme::both().into_iter().zip([accent.light, accent.dark]) {
            let faults: Vec<_> = scheme.with("accent", accent).faults().collect();
            assert!(faults.is_empty(), "{text} as {accent}: {faults:?}");
        }
    }
    assert!((500..3_000).contains(&accepted), "{accepted}");
}

#[test]
fn r177_every_faulty_setting_is_named_in_one_message() {
    let error = read(&[("APP_NAME", "a\tb"), ("LOGO_URL", "logo.svg"), ("ACCENT_COLOR", "yellow")])
        .unwrap_err();
    for variable in ["ACCENT_COLOR", "APP_NAME", "LOGO_URL"] {
        assert!(error.contains(variable), "{error}");
    }
}

fn read(values: &[(&str, &str)]) -> Result<Branding, String> {
    let settings = Settings::from_values(values.iter().copied());
    settings.read(Branding::from_settings).map_err(|error| error.to_string())
}

fn branded_pages(values: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    pages_in(Frame { branding: &read(values).unwrap(), ..frame() })
}

fn response(values: &[(&str, &str)]) -> Response {
    Responder::new(&issuer(), &BaseUrl::Gateway, &Random::system())
        .branded(read(values).unwrap())
        .page(&Request::new(Bytes::new()), StatusCode::OK, |_| String::new())
}

fn image_sources(response: &Response) -> String {
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    let mut directives = policy.split("; ").map(str::to_owned);
    directives.find(|directive| directive.starts_with("img-src")).unwrap()
}
