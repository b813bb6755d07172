//! Any text as a return target, alone and in a query: it must remain a path of this site.
#![no_main]

use http::Uri;
use libfuzzer_sys::fuzz_target;
use shared::web::{query::Query, return_to::ReturnTo};
use url::Url;

fn is_own(target: &ReturnTo) {
    for base in ["https://us.example/", "http://localhost:9000/callback?code=x"] {
        let base = Url::parse(base).expect("a base");
        let resolved = base.join(target.as_str()).expect("a path");
        assert_eq!(resolved.origin(), base.origin(), "{target}");
        assert!(!resolved.path().starts_with("//"), "{target}");
        assert!(!["/login", "/logout", "/callback"].contains(&resolved.path()), "{target}");
    }
    assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{target}");
    assert_eq!(ReturnTo::parse(target.as_str()), *target);
    let link: Uri = target.login_link(&[("connection", "a b")]).parse().expect("a link");
    let query = Query::of(&link);
    let carried = query.once("return_to").expect("once").map(ReturnTo::parse).unwrap_or_default();
    assert_eq!(carried, *target);
}

fuzz_target!(|text: &str| {
    is_own(&fuzz::bounded(|| ReturnTo::parse(text)));
    // As a page writes a path that contains any text.
    let mut written = Url::parse("https://us.example/").expect("a base");
    written.set_path(text);
    is_own(&fuzz::bounded(|| ReturnTo::parse(written.path())));
    let Ok(uri) = format!("/login?{text}").parse::<Uri>() else { return };
    let query = fuzz::bounded(|| Query::of(&uri));
    if let Ok(Some(target)) = query.once("return_to") {
        is_own(&ReturnTo::parse(target));
    }
});
