//! Programs that run while others talk to them, with their output kept at both ends.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{io::AsyncReadExt, net::unix::pipe, sync::watch, task::JoinHandle};

use super::{
    Child, ENDING, Ended, Procs, Spec,
    run::{Captured, Stream},
};

/// How long the last words of a program that has ended are waited for: another may hold its streams open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A program that runs on. Dropping it ends its whole group.
pub struct Background {
    child: Child,
    heard: Heard,
    readers: Vec<JoinHandle<()>>,
    ended: watch::Receiver<bool>,
}

/// What a program has printed: standard output and standard error.
#[derive(Clone)]
struct Heard {
    streams: Arc<Mutex<[Captured; 2]>>,
    keep: usize,
}

impl Heard {
    fn new(keep: usize) -> Heard {
        Heard { streams: Arc::new(Mutex::new([Captured::new(keep), Captured::new(keep)])), keep }
    }

    fn push(&self, stream: Stream, bytes: &[u8]) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let [out, err] = &mut *streams;
        if stream == Stream::Stdout { out } else { err }.push(bytes);
    }

    fn take(&self) -> [Captured; 2] {
        let fresh = [Captured::new(self.keep), Captured::new(self.keep)];
        std::mem::replace(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner), fresh)
    }
}

impl Background {
    /// Starts a program; at most `keep` bytes of head and of tail of each stream are kept. Must be called inside a tokio
    /// runtime.
    pub fn start(procs: &dyn Procs, spec: &Spec, keep: usize) -> io::Result<Background> {
        let mut child = procs.spawn(spec)?;
        let heard = Heard::new(keep);
        let streams = [(Stream::Stdout, child.stdout.take()), (Stream::Stderr, child.stderr.take())];
        let listens = |(stream, pipe): (Stream, Option<pipe::Receiver>)| {
            let heard = heard.clone();
            Some(tokio::spawn(listen(stream, pipe?, heard)))
        };
        let readers = streams.into_iter().filter_map(listens).collect();
        let (tell, ended) = watch::channel(false);
        let exited = child.exited();
        tokio::spawn(async move {
            // Where it cannot be waited for, it counts as gone: whoever talks to it learns more by trying.
            let _ = exited.await;
            tell.send_replace(true);
        });
        Ok(Background { child, heard, readers, ended })
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Comes back when it has ended.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // The other side is gone only after it has told.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Looks at what it has printed since that was last taken: standard output and standard error.
    pub fn look<T>(&self, look: impl FnOnce(&[Captured; 2]) -> T) -> T {
        look(&self.heard.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what it has printed since the last time: standard output and standard error.
    pub fn take(&self) -> [Captured; 2] {
        self.heard.take()
    }

    /// Ends it with its whole group, where it has not ended by itself: how it ended, and its last words.
    pub async fn finish(mut self) -> io::Result<(Ended, [Captured; 2])> {
        // One that supervises is asked first, then killed.
        for _ in 0..2 {
            if !self.has_ended() {
                self.child.kill();
                let _ = tokio::time::timeout(ENDING, self.ended()).await;
            }
        }
        let ended = self.child.reap()?;
        for reader in std::mem::take(&mut self.readers) {
            let abort = reader.abort_handle();
            if tokio::time::timeout(LAST_WORDS, reader).await.is_err() {
                abort.abort();
            }
        }
        Ok((ended, self.heard.take()))
    }
}

async fn listen(stream: Stream, mut pipe: pipe::Receiver, heard: Heard) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        heard.push(stream, &buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::procs::SystemProcs;

    fn sh(script: &str) -> Spec {
        let argv = ["/bin/sh", "-c", script].map(Into::into).to_vec();
        Spec { argv, cwd: "/".into(), env: vec![("PATH".into(), "/usr/bin:/bin".into())], ..Spec::default() }
    }

    async fn until(program: &Background, text: &str) {
        let begun = std::time::Instant::now();
        while !program.look(|[out, _]| out.contains(text.as_bytes())) {
            assert!(begun.elapsed() < Duration::from_secs(30), "it never printed {text}");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn it_is_heard_while_it_runs_and_ends_with_its_group() {
        let program = Background::start(&SystemProcs, &sh("sleep 1000 & echo $! up; echo low >&2; wait"), 64).unwrap();
        until(&program, "up").await;
        assert!(!program.has_ended());
        let [out, _] = program.take();
        let left: i32 = String::from_utf8(out.bytes()).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(program.take()[0].bytes().is_empty(), "what was taken is gone");
        let (ended, _) = program.finish().await.unwrap();
        assert_eq!(ended, Ended::Signal(9));
        let begun = std::time::Instant::now();
        while super::super::start_ticks(left).is_some() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{left} lives on");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_ends_by_itself_is_known_to_and_has_last_words() {
        let program = Background::start(&SystemProcs, &sh("echo bye >&2; exit 3"), 64).unwrap();
        program.ended().await;
        assert!(program.has_ended());
        let (ended, [_, err]) = program.finish().await.unwrap();
        assert_eq!((ended, err.bytes()), (Ended::Exit(3), b"bye\n".to_vec()));
    }
}
