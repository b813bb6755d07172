use std::process::Command;
use std::time::Duration;

use tests::process::Process;

#[tokio::test]
async fn kills_its_children_too() {
    let mut command = Command::new("bash");
    // The child leaves its parent's process group, as browsers and watchers do.
    command.args(["-c", "setsid sleep 300 & echo child $!; wait"]);
    let mut parent = Process::start("takes-its-children-along", &mut command);
    let child = parent.line_after("child ", Duration::from_secs(5)).await;
    let running = || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        !state.is_empty() && !state.contains(") Z ")
    };
    assert!(running());

    drop(parent);

    let mut tries = 0;
    while running() && tries < 100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        tries += 1;
    }
    assert!(!running());
}

#[tokio::test]
#[should_panic(expected = "it printed:\nno port")]
async fn reports_the_output_of_a_process_that_ended_too_early() {
    let mut command = Command::new("bash");
    command.args(["-c", "echo no port"]);
    let mut process = Process::start("ends-too-early", &mut command);
    process.line_after("ready ", Duration::from_secs(5)).await;
}
