use proptest::prelude::*;

use super::*;

#[test]
fn r198_a_path_on_our_origin_is_kept_unchanged() {
    for text in [
        "/",
        "/a//b",
        "/search?q=https://elsewhere.example/",
        "/caf%C3%A9s%20",
        "/nai%CC%88ve?q=%E2%80%9C",
        "/%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB",
        "/%E6%9D%B1%E4%BA%AC%E3%80%82html",
        "/%e2%82%ac%2F%e2%80%a6",
        "/login-history",
    ] {
        assert_eq!(ReturnTo::parse(text).as_str(), text);
    }
}

/// R156: the last three would start, end or reject a login.
#[test]
fn r155_a_target_that_could_leave_the_site_or_loop_becomes_the_default() {
    for text in [
        "//us.invalid/reports",
        "/reports\\evil",
        "/%2fevil",
        "/%2e//evil",
        "/%25252fevil",
        "/x/..//evil",
        "https://us@evil",
        "/?\"",
        "/%00",
        "/%ef%bc%8fevil",
        "/%e2%88%95evil",
        "/%e2%88%96evil",
        "/%e3%80%82evil",
        "/a%ef%bc%bcevil",
        "/x/%ef%bc%8e%ef%bc%8e//evil",
        "/%25ef%25bc%258fevil",
        "/%c2%85evil",
        "/a%ff",
        &format!("/{}", "a".repeat(MAXIMUM_LENGTH)),
        "/logout/",
        "/callback#x",
        "/signed-out",
    ] {
        assert!(ReturnTo::parse(text).is_default(), "{text:?}");
    }
}

#[test]
fn r157_a_sealed_target_is_parsed_again() {
    let target: ReturnTo = serde_json::from_str(r#""//evil""#).unwrap();
    assert!(target.is_default());
}

#[test]
fn r158_a_targets_query_stays_inside_the_target() {
    let target = ReturnTo::parse("/x?scope=admin&audience=other");
    assert_eq!(
        target.login_link(&[("connection", "a b")]),
        "/login?connection=a+b&return_to=%2Fx%3Fscope%3Dadmin%26audience%3Dother"
    );
    assert_eq!(ReturnTo::default().login_link(&[]), "/login");
}

proptest! {
    #[test]
    fn r155_no_text_leads_to_another_site(text in "[/\\\\.%a-z0-9:@?#\t\r\n ]{0,40}") {
        let base = Url::parse("https://us.example/").unwrap();
        let target = ReturnTo::parse(&text);
        prop_assert_eq!(base.join(target.as_str()).unwrap().origin(), base.origin());
    }

    /// R155, R156: every accepted target is a path on our origin, for a browser and for readers
    /// that decode it once or twice more. Parsing it again does not change it.
    #[test]
    fn r155_every_accepted_target_is_a_path_on_our_origin(
        text in "/?([/\\\\.]|%2[ef5]|%5c|%25|%0[9ad]|%00|[a-c?#:@]|login|logout|\\PC){0,12}",
    ) {
        let target = ReturnTo::parse(&text);
        prop_assert_eq!(&ReturnTo::parse(target.as_str()), &target);
        prop_assert!(target.is_default() || target.as_str() == text);
        let mut seen = target.as_str().to_owned();
        for _ in 0..3 {
            for base in ["https://us.example/", "http://us.example/callback?code=x"] {
                let base = Url::parse(base).unwrap();
                let resolved = base.join(&seen).unwrap();
                prop_assert_eq!(resolved.origin(), base.origin(), "{}", seen);
                prop_assert!(!resolved.path().starts_with("//"), "{}", seen);
                prop_assert!(!LOOPS.contains(&resolved.path()), "{}", seen);
            }
            let path = seen.split(['?', '#']).next().unwrap();
            seen = percent_decode_str(path).decode_utf8().unwrap().into_owned();
            prop_assert!(!seen.contains(|character: char| character.is_control()));
        }
    }

    /// R198: a name is kept regardless of its characters, unless a reader may see path syntax in
    /// it.
    #[test]
    fn r198_any_name_in_a_path_is_kept_unless_it_contains_path_syntax(name in "\\PC{1,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let text = format!("/a{encoded}");
        let is_more = name.chars().map(plain_twin).any(|letter| "/\\.%".contains(letter));
        prop_assert!(is_more || ReturnTo::parse(&text).as_str() == text, "{}", text);
    }

    /// R157, R158: the target is unchanged after it passes through a link and through a cookie.
    #[test]
    fn r158_a_target_survives_its_links_and_its_cookie(text in "/[!-~]{0,60}") {
        let target = ReturnTo::parse(&text);
        for link in [target.home_link(), target.login_link(&[("connection", "a&return_to=/x")])] {
            let query = crate::web::query::Query::of(&link.parse().unwrap());
            let found = query.once("return_to").unwrap().map_or_else(ReturnTo::default, ReturnTo::parse);
            prop_assert_eq!(&found, &target);
        }
        let kept = serde_json::to_string(&target).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ReturnTo>(&kept).unwrap(), &target);
    }
}
