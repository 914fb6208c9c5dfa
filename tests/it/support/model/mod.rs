//! A scripted model on loopback: it speaks the dialects that agent programs speak, and answers what a test's script says.
//!
//! The script is a closure that sees what was asked, whatever the dialect, and decides by content. It runs in the threads
//! of the connections, for one request at a time, so that it may count. Faults are a part of the reply. When the server is
//! dropped nothing of it is left, and a script that failed fails the test.

mod chat;
mod gemini;
mod hands;
mod http;
mod messages;
mod responses;
mod turn;

use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
#[allow(unused_imports, reason = "benches use no dialect")]
pub use turn::{Dialect, Turn};

/// A server that runs until it is dropped.
pub struct Model {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<thread::JoinHandle<()>>,
}

/// What a model says, what it costs and how it reaches the client.
#[derive(Clone, Debug)]
pub struct Reply {
    say: Say,
    usage: Usage,
    fault: Option<Fault>,
}

/// A tool that the model wants to be called.
#[derive(Clone, Debug)]
pub struct Call {
    /// The name, as the request offers it.
    pub name: String,
    /// The arguments; a text for tools that take one.
    pub input: Value,
}

/// Tokens of one reply; `cached` are a part of `input`.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// What was sent, with what a cache gave.
    pub input: u64,
    /// What of it came out of a cache.
    pub cached: u64,
    /// What was generated.
    pub output: u64,
}

#[derive(Clone, Debug)]
enum Say {
    /// A text, then calls.
    Words { text: String, calls: Vec<Call> },
    /// The value that the request's schema asks for.
    Structured(Value),
    /// An answer of HTTP, below the dialect.
    Status { status: u16, headers: Vec<(String, String)>, body: String },
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// So many bytes at a time, with a pause between.
    Drip(usize, Duration),
    /// Nothing is answered as long as the client waits.
    Hang,
}

type Script = Box<dyn FnMut(&Turn) -> Reply + Send>;

struct Shared {
    /// Asked for one turn at a time, and while nothing else is locked: it may take its time.
    script: Mutex<Script>,
    state: Mutex<State>,
    /// Told when the server stops, for whoever pauses.
    stop: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    turns: Vec<Turn>,
    others: Vec<String>,
    open: Vec<TcpStream>,
    serving: Vec<thread::JoinHandle<()>>,
    failed: Option<String>,
}

impl Reply {
    /// A text that ends the turn.
    pub fn text(text: impl Into<String>) -> Reply {
        Self::of(Say::Words { text: text.into(), calls: Vec::new() })
    }

    /// One call of a tool.
    pub fn call(call: Call) -> Reply {
        Self::calls(vec![call])
    }

    /// Several calls of tools at once.
    pub fn calls(calls: Vec<Call>) -> Reply {
        Self::of(Say::Words { text: String::new(), calls })
    }

    /// The value that the request's schema asks for, in the way in which the request asks for it.
    pub fn structured(value: Value) -> Reply {
        Self::of(Say::Structured(value))
    }

    /// An answer of HTTP with the error that the dialect has for it.
    pub fn status(status: u16) -> Reply {
        let (headers, body) = (Vec::new(), String::new());
        Self::of(Say::Status { status, headers, body })
    }

    /// Status 200 with this body, whatever was asked: malformed JSON, a page of HTML.
    pub fn raw(body: impl Into<String>) -> Reply {
        Self::of(Say::Status { status: 200, headers: Vec::new(), body: body.into() })
    }

    /// No answer at all.
    pub fn hang() -> Reply {
        Reply { fault: Some(Fault::Hang), ..Self::text("") }
    }

    /// With a further header; for [`Reply::status`].
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        if let Say::Status { headers, .. } = &mut self.say {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// With this body; for [`Reply::status`].
    pub fn body(mut self, content: impl Into<String>) -> Reply {
        if let Say::Status { body, .. } = &mut self.say {
            *body = content.into();
        }
        self
    }

    /// With these tokens instead of the usual ones.
    pub fn usage(self, usage: Usage) -> Reply {
        Reply { usage, ..self }
    }

    /// Ends the connection after so many bytes of the body.
    pub fn cut(self, after: usize) -> Reply {
        Reply { fault: Some(Fault::Cut(after)), ..self }
    }

    /// Sends so many bytes of the body at a time, with a pause between.
    pub fn drip(self, bytes: usize, pause: Duration) -> Reply {
        Reply { fault: Some(Fault::Drip(bytes.max(1), pause)), ..self }
    }

    fn of(say: Say) -> Reply {
        Reply { say, usage: Usage { input: 100, cached: 40, output: 20 }, fault: None }
    }

    /// The text and the calls that make the reply in this turn.
    fn words(&self, turn: &Turn) -> (String, Vec<Call>) {
        match &self.say {
            Say::Words { text, calls } => (text.clone(), calls.clone()),
            Say::Structured(value) => match turn.answer_tool() {
                Some(name) => (String::new(), vec![Call { name, input: value.clone() }]),
                None => (value.to_string(), Vec::new()),
            },
            Say::Status { body, .. } => (body.clone(), Vec::new()),
        }
    }
}

impl Model {
    /// Starts a server that answers every request by the script. What programs ask aside (titles, counts, probes) is
    /// answered without it.
    pub fn start(script: impl FnMut(&Turn) -> Reply + Send + 'static) -> Model {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback can be listened on");
        let address = listener.local_addr().expect("a listener has an address");
        let (script, state, stop) = (Mutex::new(Box::new(script) as Script), Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { script, state, stop });
        let accepting = Some(thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener)
        }));
        Model { shared, address, accepting }
    }

    /// Where it listens, without a path: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far, in its order.
    pub fn requests(&self) -> Vec<Turn> {
        self.shared.state().turns.clone()
    }

    /// Requests that are none of a model: method and path.
    pub fn others(&self) -> Vec<String> {
        self.shared.state().others.clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let (open, serving) = {
            let mut state = self.shared.state();
            state.stopping = true;
            (std::mem::take(&mut state.open), std::mem::take(&mut state.serving))
        };
        self.shared.stop.notify_all();
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
        for thread in self.accepting.take().into_iter().chain(serving) {
            if thread.join().is_err() {
                self.shared.state().failed.get_or_insert("an answer could not be written".to_owned());
            }
        }
        if let Some(failed) = self.shared.state().failed.take().filter(|_| !thread::panicking()) {
            panic!("the script of the model failed: {failed}");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            let mut state = self.state();
            if state.stopping {
                return;
            }
            let Ok((stream, kept)) = stream.and_then(|s| Ok((s.try_clone()?, s))) else { continue };
            // Frames are small writes: each would wait for the other side to confirm the last one.
            let _ = stream.set_nodelay(true);
            let shared = self.clone();
            state.open.push(kept);
            state.serving.push(thread::spawn(move || shared.serve(&stream)));
        }
    }

    /// Answers the requests of one connection until either side ends it.
    fn serve(&self, stream: &TcpStream) {
        while let Ok(Some(request)) = http::read(stream) {
            if self.answer(stream, &request).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    /// Answers one request; an error ends the connection.
    fn answer(&self, stream: &TcpStream, request: &http::Request) -> std::io::Result<()> {
        let Some(mut turn) = Turn::read(request) else {
            self.state().others.push(format!("{} {}", request.method, request.path));
            let known = request.path.contains("/models");
            let (status, body) = if known { (200, json!({"object": "list", "data": []})) } else { (404, json!({})) };
            return http::whole(stream, status, &[], &body.to_string(), None, self);
        };
        if let Some(count) = turn.count() {
            return http::whole(stream, 200, &[], &count.to_string(), None, self);
        }
        let reply = {
            let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            {
                let mut state = self.state();
                turn.nth = state.turns.iter().filter(|t| !t.aside).count();
                state.turns.push(turn.clone());
            }
            if turn.aside { Ok(turn.small_talk()) } else { catch_unwind(AssertUnwindSafe(|| script(&turn))) }
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(panic) => {
                let said = panic.downcast_ref::<String>().cloned();
                let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned()));
                self.state().failed.get_or_insert(said.unwrap_or_default());
                return http::whole(stream, 400, &[], "the script of the model failed", None, self);
            }
        };
        if let Some(Fault::Hang) = reply.fault {
            return http::until_closed(stream);
        }
        match &reply.say {
            Say::Status { status, headers, body } => {
                let body = if body.is_empty() { turn.dialect.error(*status) } else { body.clone() };
                http::whole(stream, *status, headers, &body, reply.fault, self)
            }
            _ if turn.stream => http::stream(stream, &turn.dialect.frames(&turn, &reply), reply.fault, self),
            _ => http::whole(stream, 200, &[], &turn.dialect.whole(&turn, &reply).to_string(), reply.fault, self),
        }
    }

    /// Waits; answers whether the server goes on.
    fn pause(&self, pause: Duration) -> bool {
        let waited = self.stop.wait_timeout_while(self.state(), pause, |s| !s.stopping);
        waited.is_ok_and(|(state, _)| !state.stopping)
    }
}
