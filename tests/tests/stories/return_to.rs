//! Where a browser goes after logging in. `shared/src/web/return_to.rs` proves which targets are safe.

use tests::{misbehaving_provider::ADA, site::Site, visitor::Visitor};

fn login_link(target: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("/login?{}", query.append_pair("return_to", target).finish())
}

/// R35: the address has no parameters of the callback. R198: a path in any script.
#[tokio::test]
async fn a_path_of_our_site_is_kept_through_the_login() {
    let site = Site::start().await;
    for target in
        ["/reports", "/reports/7?page=2&sort=%2Fname", "/a?b=https://x/", "/%e6%9d%b1/?q=%E2%80%9C"]
    {
        let mut visitor = Visitor::new(&site);
        assert_eq!(visitor.log_in_from(&login_link(target), ADA).await.location(), target);
    }
}

#[tokio::test]
async fn r155_r156_a_target_off_the_site_or_that_would_loop_leads_to_the_key_page() {
    let site = Site::start().await;
    for target in [
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "https://api.example.com@evil.example",
        "https://api.example.com/reports",
        "javascript:alert(1)",
        "/x%0d%0aSet-Cookie:x=evil",
        "",
        "/login",
        "/%6cogin",
        "/callback?code=x",
        "/a/../logout",
        "/signed-out",
    ] {
        let answer = Visitor::new(&site).log_in_from(&login_link(target), ADA).await;
        assert_eq!(answer.location(), "/", "{target:?}");
        let page = Visitor::new(&site).open(&login_link(target).replacen("/login", "/", 1)).await;
        assert!(!page.text().contains("evil"), "{target:?}");
    }
}

#[tokio::test]
async fn r157_the_target_is_sealed_at_the_start_and_cannot_be_changed() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login?return_to=/reports").await;
    assert!(!request.as_str().contains("reports"), "{request}");
    let back = site.provider().log_in(&request, ADA);
    let answer = visitor.arrive(&format!("{back}&return_to=/other&redirect=https://evil")).await;
    assert_eq!(answer.location(), "/reports");
}

#[tokio::test]
async fn a_target_is_kept_by_every_link_of_the_login_page() {
    let site = Site::start().await;
    let page = Visitor::new(&site).open("/?return_to=%2Freports%3Fpage%3D2").await;
    let links = page.attributes(".methods a", "href");
    assert_eq!(links.len(), 2);
    for link in links {
        assert!(link.ends_with("&return_to=%2Freports%3Fpage%3D2"), "{link}");
        let mut visitor = Visitor::new(&site);
        assert_eq!(visitor.log_in_from(&link, ADA).await.location(), "/reports?page=2");
    }
    let page = Visitor::new(&site).open("/?return_to=/a&return_to=/b").await;
    assert!(!page.text().contains("return_to"));
    assert_eq!(page.attributes(".methods a", "href")[1], "/login?connection=google-oauth2");
}
