//! Running an agent that is a program: its lines are heard as they come, within bounds, and its adapter judges what came
//! of it.

use std::ffi::OsString;

use super::{Agent, Answer, Bounds, Call, Event, Outcome, Trouble, Work, transcript, variables};
use crate::base::{
    Cost, World,
    procs::{self, Captured, Ended, Finished, Limit, Listener, Spec, Stream},
    text,
};

/// How much of the head and of the tail of a stream is kept.
pub const KEEP: usize = 1 << 20;

/// The longest line that is read; a longer one is passed over.
pub const LONGEST_LINE: usize = 8 << 20;

/// How a program is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// What it reads; closed after it.
    pub stdin: Vec<u8>,
    /// Variables besides those that every agent gets, and instead of them.
    pub env: Vec<(OsString, OsString)>,
}

/// What one program says and means by it. One value reads one call.
pub trait Adapter: Send {
    /// Reads one line of standard output, without its newline. What it does not know it ignores.
    fn line(&mut self, line: &[u8], notice: &(dyn Fn(Event) + Send + Sync));
    /// Whether the program has said its last word.
    fn is_over(&self) -> bool {
        false
    }
    /// What came of it. `ended` is how it ended by itself; limits are judged before.
    fn judge(&mut self, ended: Ended, stdout: &Captured, stderr: &Captured) -> Said;
    /// What it cost as far as it said, whatever came of it.
    fn usage(&self) -> Usage;
    /// The conversation's name, once known.
    fn session(&self) -> Option<String> {
        None
    }
    /// What was denied to it so far.
    fn denied(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What an adapter makes of a program's end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Whether it ended as one that is done does.
    pub ok: bool,
    /// What it did or why it failed, in any length.
    pub detail: String,
    /// Why another try is of no use.
    pub trouble: Option<Trouble>,
    /// What it answered.
    pub answer: Option<Answer>,
    /// It does not know the conversation that it was to continue.
    pub lost: bool,
}

/// What a program says of its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// How much.
    pub cost: Cost,
    /// Whether that is for the whole conversation, earlier calls of it included.
    pub cumulative: bool,
}

impl Usage {
    /// What is new in it, where `spent` is in the ledger already. A count that is smaller than the ledger's began anew.
    pub fn delta(self, spent: Cost) -> Cost {
        if !self.cumulative {
            return self.cost;
        }
        let part = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Cost {
            usd_micros: part(self.cost.usd_micros, spent.usd_micros),
            input_tokens: part(self.cost.input_tokens, spent.input_tokens),
            output_tokens: part(self.cost.output_tokens, spent.output_tokens),
        }
    }
}

/// Runs a program for a call.
pub async fn run(world: &World, agent: &Agent, call: &Call<'_>, start: Start, adapter: &mut dyn Adapter) -> Outcome {
    let mut env = variables::of(world, agent, call);
    env.extend(start.env);
    let env = env.into_iter().collect();
    let spec = Spec { argv: start.argv, cwd: call.dir.to_owned(), env, stdin: start.stdin, ..Spec::default() };
    let bounds = procs::Bounds { wall: call.bounds.wall, idle: call.bounds.idle, keep: KEEP };
    let mut hearing = Hearing { adapter, lines: Lines::default(), notice: call.notice };
    let done = match procs::listen(world.procs.as_ref(), &spec, bounds, &mut hearing).await {
        Ok(done) => done,
        Err(e) => return not_started(&e),
    };
    hearing.finish();
    let mut outcome = judge(adapter, call, &done);
    let parts = [("standard output", done.stdout.bytes()), ("standard error", done.stderr.bytes())];
    match transcript::keep(call.transcript, &parts) {
        Ok(kept) => outcome.transcript = kept.then(|| call.transcript.to_owned()),
        Err(e) => outcome.detail.push_str(&format!(" (its transcript could not be kept: {e})")),
    }
    outcome
}

/// The outcome of a program that could not be started.
pub fn not_started(e: &std::io::Error) -> Outcome {
    let outcome = Outcome::failed(format!("the agent could not be started: {e}"));
    if e.kind() == std::io::ErrorKind::NotFound { outcome.trouble(Trouble::Missing) } else { outcome }
}

fn judge(adapter: &mut dyn Adapter, call: &Call<'_>, done: &Finished) -> Outcome {
    let said = match done.limit {
        Some(limit @ (Limit::Wall | Limit::Idle)) => failed(reached(limit, call.bounds)),
        // It had said all that it had to say: its end by our hand says nothing.
        Some(Limit::Grace) => adapter.judge(Ended::Exit(0), &done.stdout, &done.stderr),
        None => adapter.judge(done.ended, &done.stdout, &done.stderr),
    };
    Outcome {
        ok: said.ok,
        detail: shown(said.detail.as_bytes()),
        trouble: said.trouble,
        cost: adapter.usage().delta(call.session.spent),
        session: adapter.session().or_else(|| call.session.id.clone()).filter(|_| !said.lost),
        // Whoever was to write has nothing to answer, and an empty answer is none.
        answer: said.answer.filter(|answer| matches!(call.work, Work::Answer(_)) && !is_empty(answer)),
        denied: adapter.denied().iter().map(|d| shown(d.as_bytes())).collect(),
        ..Outcome::default()
    }
}

fn is_empty(answer: &Answer) -> bool {
    matches!(answer, Answer::Text(text) if text.trim().is_empty())
}

/// That a limit was reached, in words.
pub fn reached(limit: Limit, bounds: Bounds) -> String {
    let (what, limit) = match limit {
        Limit::Idle => ("was silent", bounds.idle.unwrap_or_default()),
        Limit::Wall | Limit::Grace => ("ran", bounds.wall),
    };
    format!("it {what} for more than {} s and was ended", limit.as_secs())
}

fn failed(detail: String) -> Said {
    Said { detail, ..Said::default() }
}

/// How a program ended, in words, with its own words or the end of its standard error after it; none where it ended well.
pub fn bad_end(ended: Ended, words: &str, stderr: &Captured) -> Option<String> {
    let sentence = match ended {
        Ended::Exit(0) => return None,
        Ended::Exit(code) => format!("it ended with exit code {code}"),
        Ended::Signal(n) => format!("signal {n} ended it"),
    };
    Some(with_words(sentence, words, stderr))
}

/// A sentence with the agent's own words after it, or with the end of its standard error.
pub fn with_words(sentence: String, words: &str, stderr: &Captured) -> String {
    let stderr = stderr.bytes();
    let last = stderr.trim_ascii().rsplit(|b| *b == b'\n').next().map(shown).unwrap_or_default();
    match [shown(words.as_bytes()), last].into_iter().find(|words| !words.is_empty()) {
        Some(words) => format!("{sentence}: {words}"),
        None => sentence,
    }
}

/// One line of what an agent says, redacted.
pub fn shown(bytes: &[u8]) -> String {
    text::one_line(&String::from_utf8_lossy(&text::redact(bytes)), 300)
}

struct Hearing<'a> {
    adapter: &'a mut dyn Adapter,
    lines: Lines,
    notice: &'a (dyn Fn(Event) + Send + Sync),
}

impl Hearing<'_> {
    fn finish(&mut self) {
        let Hearing { adapter, lines, notice } = self;
        lines.finish(&mut |line| adapter.line(line, *notice));
    }
}

impl Listener for Hearing<'_> {
    fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        (self.notice)(Event::Stirred);
        if stream == Stream::Stdout {
            let Hearing { adapter, lines, notice } = self;
            lines.push(bytes, &mut |line| adapter.line(line, *notice));
        }
    }
    fn is_over(&self) -> bool {
        self.adapter.is_over()
    }
}

/// Splits bytes into lines of bounded length.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    /// The line that is being read is too long: its rest is passed over.
    skips: bool,
}

impl Lines {
    /// Takes more bytes; `each` gets every line that they end, but an empty one or one that is too long.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.take(&bytes[..end]);
            self.finish(each);
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.skips || self.line.len() + bytes.len() > LONGEST_LINE {
            self.skips = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    /// Ends the line that is being read.
    pub fn finish(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !self.skips && !self.line.is_empty() {
            each(&self.line);
        }
        self.line.clear();
        self.skips = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_across_chunks_and_bounded() {
        let mut lines = Lines::default();
        let mut heard = Vec::new();
        let mut each = |line: &[u8]| heard.push(line.to_vec());
        lines.push(b"on", &mut each);
        lines.push(b"e\n\ntwo\nth", &mut each);
        for _ in 0..200 {
            lines.push(&vec![b'x'; 1 << 20], &mut each);
        }
        assert!(lines.line.capacity() <= 2 * LONGEST_LINE);
        lines.push(b"\nfour", &mut each);
        lines.finish(&mut each);
        assert_eq!(heard, [&b"one"[..], b"two", b"four"]);
    }

    #[test]
    fn a_cumulative_count_enters_the_ledger_once() {
        let cost = |usd_micros, input_tokens, output_tokens| Cost { usd_micros, input_tokens, output_tokens };
        let usage = Usage { cost: cost(2400, 300, 60), cumulative: true };
        assert_eq!(usage.delta(cost(1600, 200, 40)), cost(800, 100, 20));
        assert_eq!(usage.delta(Cost::default()), usage.cost);
        // It began anew.
        assert_eq!(usage.delta(cost(9000, 900, 900)), usage.cost);
        assert_eq!(Usage { cumulative: false, ..usage }.delta(cost(1600, 200, 40)), usage.cost);
    }
}
