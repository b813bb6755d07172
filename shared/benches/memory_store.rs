//! Measures reads of the memory store by one thread and by eight, with and without a concurrent writer:
//! `cargo bench --package shared --features contract --bench memory_store`.
//!
//! Each figure is one read by one thread. With as many cores as threads, the figures would be equal.
//! With fewer, threads take turns; the requirement is that none waits for another.
#![expect(clippy::expect_used, reason = "a benchmark panics if it fails")]

use std::{
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use divan::{Bencher, black_box};
use shared::{
    crypto::secret::Digest,
    store::{SessionRow, SessionStore, memory::MemoryStore},
    testing::contract::{NOW, owner, pointer, session},
};

const SESSIONS: usize = 10_000;

static KEYS: LazyLock<Vec<Digest>> =
    LazyLock::new(|| (0..SESSIONS).map(|index| Digest::of(index.to_string())).collect());

fn main() {
    divan::main();
}

/// Many sessions, read one after the other.
#[divan::bench(threads = [1, 2, 8])]
fn many_sessions(bencher: Bencher<'_, '_>) {
    let (store, next) = (filled(), AtomicUsize::new(0));
    bencher.bench(|| {
        // Each thread has its own stride, so that the counter is not measured.
        let start = next.fetch_add(1, Ordering::Relaxed) * 997;
        for step in 0..100 {
            let key = KEYS[(start + step) % SESSIONS];
            assert!(black_box(at_once(store.session(key, NOW))).is_ok());
        }
    });
}

/// One session, read by all threads.
#[divan::bench(threads = [1, 2, 8])]
fn one_session(bencher: Bencher<'_, '_>) {
    let store = filled();
    bencher.bench(|| {
        for _ in 0..100 {
            assert!(black_box(at_once(store.session(KEYS[0], NOW))).is_ok());
        }
    });
}

/// Many sessions, while another thread claims marks.
#[divan::bench(threads = [1, 2, 8])]
fn beside_a_writer(bencher: Bencher<'_, '_>) {
    let (store, next, is_over) = (filled(), AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for index in 0_usize.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let mark = Digest::of(index.to_be_bytes());
                let _ = at_once(store.claim(mark, NOW + Duration::from_secs(1), NOW));
                thread::sleep(Duration::from_micros(100));
            }
        });
        bencher.bench(|| {
            let start = next.fetch_add(1, Ordering::Relaxed) * 997;
            for step in 0..100 {
                let key = KEYS[(start + step) % SESSIONS];
                assert!(black_box(at_once(store.session(key, NOW))).is_ok());
            }
        });
        is_over.store(true, Ordering::Relaxed);
    });
}

fn filled() -> MemoryStore {
    let store = MemoryStore::default();
    for index in 0..SESSIONS {
        let name = index.to_string();
        let row = SessionRow { owner: owner(&name), ..session(&name) };
        at_once(store.create(row, pointer(&name, &name), NOW)).expect("there is room");
    }
    store
}

/// The result of a future that is ready at once.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits for nothing"),
    }
}
