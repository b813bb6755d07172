//! An application's own protected function in a repository beside this one, as `README.md` describes:
//! this project is a git dependency on the tag of a version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use http::Method;
use tests::{
    artifacts::build_elsewhere, copy_project, deployment::Deployment, documentation::Documentation,
    http_api::ask, project,
};

use crate::own_function::{NAME, deployed};

/// Runs git in `folder`, with the same author and time in each run. So the same files give the same
/// commit, which cargo builds once.
fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=test", "-c", "user.email=test@example.com"]);
    for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        command.env(name, "2026-01-31T00:00:00Z");
    }
    let output = command.args(arguments).output().expect("git can be run");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with the files of this project, and the tag of its version.
fn released(folder: &Path) {
    copy_project(folder);
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "--all", "--force"]);
    git(folder, &["commit", "--quiet", "--no-gpg-sign", "--message=A release"]);
    git(folder, &["tag", concat!("v", env!("CARGO_PKG_VERSION"))]);
}

/// The manifest of `README.md` with the address of the released project, and the code of
/// `functions/protected` with another path.
fn own_repository(folder: &Path, released: &Path) {
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = Documentation::read().code("toml", "name = \"reports\"");
    let address = "https://github.com/OWNER/REPOSITORY";
    assert_eq!(manifest.matches(address).count(), 2, "{manifest}");
    let tag = format!("tag = \"v{}\"", env!("CARGO_PKG_VERSION"));
    assert_eq!(manifest.matches(&tag).count(), 2, "{manifest}");
    let manifest = manifest.replace(address, &format!("file://{}", released.display()));
    // The folder is below this workspace and no part of it. With this workspace's profiles, crates of
    // others are built once.
    let ours = fs::read_to_string(project().join("Cargo.toml")).expect("the manifest");
    let profiles = &ours[ours.find("[profile.dev]").expect("the profiles")..];
    let manifest = format!("{manifest}\n[workspace]\n\n{profiles}");
    fs::write(folder.join("Cargo.toml"), manifest).expect("it can be written");
    fs::copy(project().join("Cargo.lock"), folder.join("Cargo.lock")).expect("the lock file");
    for file in ["src/lib.rs", "src/main.rs"] {
        let code = fs::read_to_string(project().join("functions/protected").join(file));
        let code = code.expect(file).replace("protected::Protected", "reports::Protected");
        let code = code.replace("\"/protected\"", "\"/reports\"");
        fs::write(folder.join(file), code).expect("it can be written");
    }
}

/// A folder of this test that stays the same from run to run, so that cargo knows the repository.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("own_repository");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("released")).expect("a folder");
    folder
}

#[tokio::test]
async fn a_function_in_another_repository_is_built_from_a_tag_and_guards_its_path() {
    let folder = folder();
    released(&folder.join("released"));
    own_repository(&folder.join("own"), &folder.join("released"));
    // The build has no network; this only reads the repository beside it.
    let fetched = Command::new("cargo").arg("fetch").current_dir(folder.join("own")).output();
    let fetched = fetched.expect("cargo can be run");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let bootstrap = build_elsewhere(&folder.join("own"), NAME);
    let version = Command::new(&bootstrap).arg("--version").output().expect("it can be run");
    let expected = format!("{NAME} (auth0-login) {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);

    let deployment = Deployment::start(1, &[]).await;
    let api = deployed(&deployment, bootstrap).await;
    let mut browser = deployment.browser();
    browser.log_in("ada@example.com").await;
    let cookie = format!("__Host-session={}", browser.cookie("__Host-session").expect("one"));

    let status = async |headers| ask(&api.http_client(), "/reports", headers).await.0;
    assert_eq!(status(&[]).await, 401);
    let authentication = [("cookie", cookie.as_str())];
    assert_eq!(status(&authentication).await, 200);
    browser.fetch(Method::POST, "/logout", &[]).await;
    assert_eq!(status(&authentication).await, 401);
}
