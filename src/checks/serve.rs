//! Services: programs that checks talk to. Each is started when the first check of a round needs it, and ends with the
//! round; one that broke off is started once more for the next check.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, Url, cookie::Jar, redirect};
use serde_json::{Map, Value};

use super::{
    environ,
    model::{Cause, Port, Service},
    ports::{Given, Ports},
    red,
    run::{KEEP, On, last_line, pattern},
};
use crate::base::{
    World, http,
    procs::{self, Background, Bounds, Captured, Ended, Finished, Spec},
    text,
};

/// How often a service that is not ready is asked again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long one question whether it is ready may take.
const ASKING: Duration = Duration::from_secs(5);
/// How long the command that stops a service may take.
const STOPPING: Duration = Duration::from_secs(10);
/// How long one whose connection broke may take to end.
const SETTLING: Duration = Duration::from_millis(500);
/// How long a port that somebody else has is waited for.
const OCCUPIED: Duration = Duration::from_secs(30);
/// How many redirects are followed.
const REDIRECTS: usize = 10;

/// The services of one round.
pub struct Served {
    world: World,
    defined: Vec<Service>,
    dir: PathBuf,
    room: PathBuf,
    path: OsString,
    extra_env: Vec<(String, String)>,
    known: BTreeMap<String, State>,
    /// Takes an answer as it is.
    still: Client,
    /// Follows redirects to our services and to hosts that the user allows. Both keep the same cookies.
    following: Client,
    origins: Arc<Mutex<HashSet<Origin>>>,
    /// What was answered to the checks of the round, by their ids.
    answers: Map<String, Value>,
    /// The checks of the round that got no answer, and what that says of the tree.
    unanswered: Vec<(String, Cause)>,
    ports: Ports,
}

/// A host and a port.
type Origin = (String, Option<u16>);

/// What became of a service.
enum State {
    Up(Box<Up>),
    /// It did not get ready: why, for every further check.
    Never(NotReady),
}

/// A service that runs.
struct Up {
    program: Background,
    at: SocketAddr,
    /// Nobody else gets its port before it has ended.
    _port: Given,
    /// What it printed until it was ready.
    began: [Captured; 2],
}

/// Why a service is not there.
#[derive(Clone, Debug)]
pub struct NotReady {
    /// What that says of the tree.
    pub cause: Cause,
    /// In words.
    pub detail: String,
    /// What the service printed.
    pub log: Vec<u8>,
}

impl Served {
    /// The services of a round, none of them started. `world` confines what is started, `on` is the checkout that they run
    /// in, `ports` those that others have, and `allowed` the hosts to which they may redirect.
    pub fn new(
        world: World,
        defined: &[Service],
        on: &On<'_>,
        ports: Ports,
        allowed: Vec<String>,
    ) -> io::Result<Served> {
        let room = on.scratch.join("services");
        std::fs::create_dir_all(room.join("home"))?;
        std::fs::create_dir_all(room.join("tmp"))?;
        let origins = Arc::new(Mutex::new(HashSet::<Origin>::new()));
        let known = origins.clone();
        let ours = move |url: &Url| {
            let (host, port) = (url.host_str().unwrap_or_default().to_owned(), url.port_or_known_default());
            allowed.iter().any(|name| name.eq_ignore_ascii_case(&host))
                || known.lock().unwrap_or_else(PoisonError::into_inner).contains(&(host, port))
        };
        let policy = redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("it redirects too often");
            }
            if ours(attempt.url()) { attempt.follow() } else { attempt.stop() }
        });
        let jar = Arc::new(Jar::default());
        let build = |builder: reqwest::ClientBuilder| {
            builder.cookie_provider(jar.clone()).build().map_err(|e| io::Error::other(http::chain(&e)))
        };
        Ok(Served {
            path: on.path(&world),
            dir: on.dir.to_owned(),
            extra_env: on.extra_env.to_vec(),
            defined: defined.to_vec(),
            known: BTreeMap::new(),
            still: build(http::builder())?,
            following: build(http::builder().redirect(policy))?,
            world,
            room,
            origins,
            answers: Map::new(),
            unanswered: Vec::new(),
            ports,
        })
    }

    /// What was answered to the checks of the round so far, by their ids: `status`, `text`, and `json` where it is that.
    pub fn answers(&self) -> &Map<String, Value> {
        &self.answers
    }

    /// Keeps what was answered to a check.
    pub(super) fn answered(&mut self, check: &str, answer: Value) {
        self.answers.insert(check.to_owned(), answer);
    }

    /// The first check that an expression names and that got no answer.
    pub fn unanswered(&self, expression: &str) -> Option<(&str, Cause)> {
        let (id, cause) =
            self.unanswered.iter().find(|(id, cause)| cause.is_red() && expression.contains(id.as_str()))?;
        Some((id, *cause))
    }

    /// Keeps that a check got no answer.
    pub(super) fn no_answer(&mut self, check: &str, cause: Cause) {
        self.unanswered.push((check.to_owned(), cause));
    }

    /// The client for a check: cookies are kept from one check of the round to the next.
    pub fn client(&self, follows: bool) -> &Client {
        if follows { &self.following } else { &self.still }
    }

    /// How the services are confined, as evidence says it.
    pub(super) fn confinement(&self) -> String {
        self.world.procs.confinement()
    }

    /// Where a service answers, started where it does not run.
    pub async fn at(&mut self, id: &str) -> Result<SocketAddr, NotReady> {
        match self.known.get(id) {
            Some(State::Up(up)) if !up.program.has_ended() => return Ok(up.at),
            Some(State::Never(why)) => return Err(why.clone()),
            // One that broke off makes room for the next one, with all that it left.
            Some(State::Up(_)) => drop(self.known.remove(id)),
            None => {}
        }
        match self.start(id).await {
            Ok(up) => {
                let at = up.at;
                let ours = [(at.ip().to_string(), Some(at.port())), ("localhost".into(), Some(at.port()))];
                self.origins.lock().unwrap_or_else(PoisonError::into_inner).extend(ours);
                self.known.insert(id.to_owned(), State::Up(Box::new(up)));
                Ok(at)
            }
            Err(why) => {
                self.known.insert(id.to_owned(), State::Never(why.clone()));
                Err(why)
            }
        }
    }

    /// Gives a service whose connection broke the time to be seen to have ended.
    pub async fn settle(&self, id: &str) {
        if let Some(State::Up(up)) = self.known.get(id) {
            let _ = tokio::time::timeout(SETTLING, up.program.ended()).await;
        }
    }

    /// What a service printed since that was last asked, and whether it runs.
    pub fn log(&mut self, id: &str) -> (Vec<u8>, bool) {
        match self.known.get_mut(id) {
            Some(State::Up(up)) => {
                let began = std::mem::take(&mut up.began);
                (joined([began, up.program.take()]), !up.program.has_ended())
            }
            Some(State::Never(why)) => (why.log.clone(), false),
            None => (Vec::new(), false),
        }
    }

    /// Ends all of them.
    pub async fn stop(mut self) {
        for (id, state) in std::mem::take(&mut self.known) {
            let State::Up(up) = state else { continue };
            let service = self.defined.iter().find(|s| s.id == id);
            if let Some(service) = service.filter(|s| !s.stop.is_empty() && !up.program.has_ended()) {
                let env = self.environment(service, up.at.port());
                let argv = service.stop.iter().map(OsString::from).collect();
                let spec = Spec { argv, cwd: self.dir.clone(), env, ..Spec::default() };
                let bounds = Bounds { wall: STOPPING, idle: None, keep: 1 << 10 };
                // However that ends: what is left is ended below.
                let _ = procs::run(self.world.procs.as_ref(), &spec, bounds).await;
                let _ = tokio::time::timeout(STOPPING, up.program.ended()).await;
            }
            let _ = up.program.finish().await;
        }
    }

    fn environment(&self, service: &Service, port: u16) -> Vec<(OsString, OsString)> {
        let mut extra = self.extra_env.clone();
        extra.extend(service.env.clone());
        extra.push(("PORT".into(), port.to_string()));
        environ::variables(&self.path, &self.dir, &self.room, &extra)
    }

    /// Starts a service and waits until it is ready.
    async fn start(&self, id: &str) -> Result<Up, NotReady> {
        let not = |cause, detail: String| NotReady { cause, detail, log: Vec::new() };
        let service = self.defined.iter().find(|s| s.id == id);
        let service = service.ok_or_else(|| not(Cause::Unknown, format!("the spec has no service `{id}`")))?;
        let given = self.port(service).await.map_err(|why| not(Cause::Unknown, why))?;
        let port = given.port;
        let argv: Vec<OsString> = service.command.iter().map(OsString::from).collect();
        let spec = Spec { argv, cwd: self.dir.clone(), env: self.environment(service, port), ..Spec::default() };
        let program = Background::start(self.world.procs.as_ref(), &spec, KEEP).map_err(|e| {
            let program = service.command.first().map_or("", String::as_str);
            let (cause, why) = red::spawn_failed(program, &self.dir, &self.path, &e);
            not(cause, format!("service `{id}` could not be started: {why}"))
        })?;
        let limit = Duration::from_secs(service.ready.timeout_s.into());
        let mut waits = String::new();
        let ready = tokio::time::timeout(limit, self.ready(service, port, &program, &mut waits)).await;
        match ready {
            Ok(Some(at)) => Ok(Up { began: program.take(), program, at, _port: given }),
            Ok(None) => Err(self.ended(service, program).await),
            Err(_) => {
                let (_, log) = match program.finish().await {
                    Ok(done) => done,
                    Err(e) => return Err(not(Cause::Unknown, format!("service `{id}` could not be ended: {e}"))),
                };
                let log = joined([log, Default::default()]);
                let detail =
                    format!("service `{id}` was not ready within {} s: {waits}{}", limit.as_secs(), last(&log));
                Err(NotReady { cause: Cause::Timeout, detail, log })
            }
        }
    }

    /// A port for it that nobody listens on.
    async fn port(&self, service: &Service) -> Result<Given, String> {
        let Port::Fixed(port) = service.port else { return self.ports.free(&self.world) };
        let given = self.ports.fixed(&self.world, port).await?;
        let begun = self.world.clock.mono();
        while listens(port).await.is_some() {
            if begun.elapsed() > OCCUPIED {
                return Err(format!(
                    "service `{}` wants port {port}, on which another program listens; with \"auto\" it gets a free one",
                    service.id
                ));
            }
            self.world.clock.sleep(AGAIN).await;
        }
        Ok(given)
    }

    /// Where it answers once all holds that it states; none where it ended before that. `waits` says what does not hold.
    async fn ready(
        &self,
        service: &Service,
        port: u16,
        program: &Background,
        waits: &mut String,
    ) -> Option<SocketAddr> {
        let pattern = service.ready.log.as_deref().map(pattern);
        loop {
            if program.has_ended() {
                return None;
            }
            match self.holds(service, port, program, pattern.as_ref()).await {
                Ok(at) => return Some(at),
                Err(why) => *waits = why,
            }
            tokio::select! {
                () = program.ended() => return None,
                () = self.world.clock.sleep(AGAIN) => {}
            }
        }
    }

    async fn holds(
        &self,
        service: &Service,
        port: u16,
        program: &Background,
        pattern: Option<&Result<regex::bytes::Regex, String>>,
    ) -> Result<SocketAddr, String> {
        match pattern {
            Some(Err(why)) => return Err(why.clone()),
            Some(Ok(pattern)) if !program.look(|log| log.iter().any(|s| pattern.is_match(&s.bytes()))) => {
                return Err(format!("nothing that it printed matches {}", pattern.as_str().escape_debug()));
            }
            _ => {}
        }
        let at = listens(port).await;
        let Some(path) = &service.ready.http else {
            let wanted = service.ready.tcp == Some(true);
            let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            return match at {
                Some(at) => Ok(at),
                None if wanted => Err(format!("nobody listens on port {port}, which is its $PORT")),
                None => Ok(loopback),
            };
        };
        let at = at.ok_or_else(|| format!("nobody listens on port {port}, which is its $PORT"))?;
        let url = format!("http://{at}{path}");
        match self.still.get(&url).timeout(ASKING).send().await {
            Ok(answer) if answer.status().as_u16() < 400 => Ok(at),
            Ok(answer) => Err(format!("GET {path} answers {}", answer.status().as_u16())),
            Err(e) => Err(format!("GET {path} is not answered: {}", http::chain(&e.without_url()))),
        }
    }

    /// What to say of a service that ended before it was ready.
    async fn ended(&self, service: &Service, program: Background) -> NotReady {
        let id = &service.id;
        let (ended, [stdout, stderr]) = match program.finish().await {
            Ok(done) => done,
            Err(e) => {
                let detail = format!("service `{id}` ended, nobody knows how: {e}");
                return NotReady { cause: Cause::Unknown, detail, log: Vec::new() };
            }
        };
        let log = joined([[stdout.clone(), stderr.clone()], Default::default()]);
        let how = match ended {
            Ended::Exit(code) => format!("exit code {code}"),
            Ended::Signal(n) => format!("signal {n}"),
        };
        let done = Finished { ended, limit: None, stdout, stderr, took: Duration::ZERO };
        // No exit code is right before it is ready.
        let ran = red::Ran {
            argv: Some(&service.command),
            shell: None,
            expect_exit: i32::MIN,
            dir: &self.dir,
            path: &self.path,
        };
        let (cause, why) = red::cause(&ran, &done);
        let cause = if cause == Cause::Assertion { Cause::Error } else { cause };
        let why = why.map(|why| format!(": {}", text::one_line(&why, 200))).unwrap_or_default();
        let detail = format!("service `{id}` ended with {how} before it was ready{why}{}", last(&log));
        NotReady { cause, detail, log }
    }
}

/// Who listens on a port of this machine: on the address of IPv4 or that of IPv6.
async fn listens(port: u16) -> Option<SocketAddr> {
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let at = SocketAddr::from((ip, port));
        if let Ok(Ok(_)) = tokio::time::timeout(ASKING, tokio::net::TcpStream::connect(at)).await {
            return Some(at);
        }
    }
    None
}

/// Both streams of several stretches, standard output first.
fn joined(stretches: [[Captured; 2]; 2]) -> Vec<u8> {
    let [[out, err], [more_out, more_err]] = stretches;
    [out, more_out, err, more_err].iter().flat_map(Captured::bytes).collect()
}

/// How what a service printed ends, in words.
fn last(log: &[u8]) -> String {
    last_line(log).map(|line| format!("; its output ends with {line}")).unwrap_or_default()
}
