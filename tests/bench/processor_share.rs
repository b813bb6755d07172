//! A share of a processor, as Lambda gives it: all of it until a process asks for its first event, and
//! then what its memory size buys.
//!
//! The share is the quota of a control group. AWS documents the share alone; the period of 20 ms is what
//! published measurements of Lambda found. Within a period, a process runs at full speed until its quota
//! is used up.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use local::emulator::lambda::{Function, Instance};
use tempfile::TempDir;

use crate::process_figures::cpu_time;

/// The memory that comes with one processor, in MB.
const WHOLE: u32 = 1_769;

/// The period of a quota, in microseconds.
const PERIOD: u32 = 20_000;

/// The quota of a thousand processors, which limits nothing. A group always has a quota, because the
/// first one on a machine takes the kernel some milliseconds, which would be measured.
const ALL: u32 = PERIOD * 1_000;

/// Waits for a line in the pipe `GATE`, then becomes `PROGRAM`.
const LAUNCHER: &str = r#"#!/bin/sh
cd "${PROGRAM%/*}"
read -r _ < "$GATE"
exec "$PROGRAM"
"#;

/// A control group for one process at a time.
pub(crate) struct ProcessorShare {
    group: PathBuf,
    /// Whether it is a group of version 2, with one file for quota and period.
    is_unified: bool,
    /// The launcher and its pipe.
    folder: TempDir,
}

/// A process that has asked for its first event.
pub(crate) struct Started {
    pub(crate) instance: Instance,
    /// When its program was started.
    pub(crate) at: Instant,
    /// The time from then to its first request for an event.
    pub(crate) first_poll: Duration,
    /// The CPU time of the launcher, which the program's process has used before.
    pub(crate) cpu_before: Duration,
}

impl ProcessorShare {
    /// Makes a control group, and checks by a busy process that its quota works.
    ///
    /// Panics if this user may not make a group. Root may.
    pub(crate) fn new() -> Self {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
        let is_unified = controllers.split_whitespace().any(|name| name == "cpu");
        if is_unified {
            write(&root.join("cgroup.subtree_control"), "+cpu");
        }
        let parent = if is_unified { root.to_owned() } else { root.join("cpu") };
        let group = parent.join(format!("bench-{}", process::id()));
        fs::create_dir(&group)
            .unwrap_or_else(|error| panic!("{} cannot be made: {error}", group.display()));
        if !is_unified {
            write(&group.join("cpu.cfs_period_us"), &PERIOD.to_string());
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        write(&folder.path().join("launcher"), LAUNCHER);
        let executable = Permissions::from_mode(0o755);
        fs::set_permissions(folder.path().join("launcher"), executable).expect("it is ours");
        let pipe = Command::new("mkfifo").arg(folder.path().join("gate")).status();
        assert!(pipe.is_ok_and(|status| status.success()), "a pipe is needed");
        let share = Self { group, is_unified, folder };
        share.check();
        share
    }

    /// Starts a process of `function`, which has the whole processor until it asks for its first event.
    ///
    /// A launcher enters the group before the program starts, because the kernel takes some
    /// milliseconds for that.
    pub(crate) async fn start(&self, function: &Function) -> Started {
        let bootstrap = self.folder.path().join("launcher");
        let gate = self.folder.path().join("gate");
        let mut environment = function.environment.clone();
        for (name, path) in [("PROGRAM", &function.bootstrap), ("GATE", &gate)] {
            environment.push((name.to_owned(), path.display().to_string()));
        }
        let launcher = Function { bootstrap, environment, ..function.clone() };
        let instance = Instance::start(&launcher).await;
        self.add(instance.process_id());
        let cpu_before = cpu_time(instance.process_id());
        let at = Instant::now();
        write(&gate, "\n");
        let polled = instance.ready().await.unwrap_or_else(|error| panic!("{error}"));
        self.limit(function.memory);
        let first_poll = instance.started() + polled - at;
        Started { instance, at, first_poll, cpu_before }
    }

    /// Adds a process, which gets the whole processor until [`limit`](Self::limit).
    fn add(&self, process: u32) {
        self.set_quota(ALL);
        write(&self.group.join("cgroup.procs"), &process.to_string());
    }

    /// From now on, the process gets what `memory` MB buy.
    fn limit(&self, memory: u32) {
        self.set_quota(if memory < WHOLE { PERIOD * memory / WHOLE } else { ALL });
    }

    /// Sets the microseconds of each period.
    fn set_quota(&self, quota: u32) {
        if self.is_unified {
            write(&self.group.join("cpu.max"), &format!("{quota} {PERIOD}"));
        } else {
            write(&self.group.join("cpu.cfs_quota_us"), &quota.to_string());
        }
    }

    fn check(&self) {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        for memory in [256, 512] {
            self.add(busy.id());
            self.limit(memory);
            let (before, started) = (cpu_time(busy.id()), Instant::now());
            thread::sleep(Duration::from_secs(1));
            let used = (cpu_time(busy.id()) - before).as_secs_f64();
            let share = used / started.elapsed().as_secs_f64();
            let expected = f64::from(memory) / f64::from(WHOLE);
            println!("{memory} MB: a busy process gets {share:.3} of a processor");
            assert!((share / expected - 1.0).abs() < 0.1, "{expected:.3} was set");
        }
        busy.kill().expect("it runs");
        busy.wait().expect("it ends");
    }
}

impl Drop for ProcessorShare {
    fn drop(&mut self) {
        // A process that has just been killed may still be in it.
        let _ = fs::remove_dir(&self.group);
    }
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
