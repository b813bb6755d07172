//! A process that is killed, with all its descendants, when its owner is dropped.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "nothing here is deployed; a program that cannot start ends a local run or fails a test"
)]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running process. Its output includes that of its children.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Option<PathBuf>,
}

impl Process {
    /// Starts `command` with its output in the file `log`. Its standard input stays open while the
    /// process is owned.
    #[must_use]
    pub fn start(log: PathBuf, command: &mut Command) -> Self {
        let output = File::create(&log).expect("the log can be written");
        let errors = output.try_clone().expect("the log can be shared");
        Self { child: spawn(command.stdout(output).stderr(errors)), log: Some(log) }
    }

    /// Starts `command` and passes each line of its output to `print`, on a thread.
    #[must_use]
    pub fn start_with_lines(mut command: Command, print: impl Fn(&str) + Send + 'static) -> Self {
        let (output, input) = io::pipe().expect("the system has a free pipe");
        let errors = input.try_clone().expect("the pipe can be shared");
        let child = spawn(command.stdout(input).stderr(errors));
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                print(&String::from_utf8_lossy(&line));
            }
        });
        Self { child, log: None }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its process id and those of all its descendants.
    ///
    /// They cannot be found after the parent has exited.
    #[must_use]
    pub fn family(&self) -> Vec<u32> {
        let mut all = vec![self.id()];
        let mut next = 0;
        while let Some(parent) = all.get(next).copied() {
            all.extend(children(parent));
            next += 1;
        }
        all
    }

    /// Interrupts it, as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(self.id(), Signal::INT);
    }

    /// The exit status, if the process has ended.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process state can be read")
    }

    /// The file with its output, if it has one.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// The content of that file so far.
    #[must_use]
    pub fn output(&self) -> String {
        let log = self.log().expect("it has a log file");
        let bytes = std::fs::read(log).expect("the log can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a line that starts with `prefix`, and returns the rest of that line.
    pub async fn line_after(&mut self, prefix: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let output = self.output();
            // The last line may be incomplete.
            let whole = output.rfind('\n').map_or("", |end| &output[..end]);
            let line = whole.lines().find_map(|line| line.split_once(prefix));
            if let Some((_, rest)) = line {
                return rest.trim().to_owned();
            }
            self.must_go_on(deadline, prefix);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Panics with the output when the process has ended or the deadline has passed.
    pub fn must_go_on(&mut self, deadline: Instant, waiting_for: &str) {
        let ended = self.has_ended();
        assert!(
            ended.is_none() && Instant::now() < deadline,
            "waited for {waiting_for:?} ({ended:?}); it printed:\n{}",
            self.output()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL is fast, and no process has data to save.
        for id in self.family() {
            signal(id, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn spawn(command: &mut Command) -> Child {
    let child = command.stdin(Stdio::piped()).spawn();
    child.unwrap_or_else(|error| panic!("{command:?} failed to start: {error}"))
}

fn signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    // An error means that the process has already ended.
    let _ = id.map(|id| kill_process(id, signal));
}

fn children(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// A name that is unique among all running processes.
#[must_use]
pub fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
