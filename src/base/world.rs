//! Everything that is not a function of the arguments, gathered once and passed explicitly: clock, ids, environment,
//! processes, failpoints.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    future::Future,
    io,
    net::TcpListener,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crate::base::{Faults, Timestamp, procs::Procs};

/// The outside world as one value.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where random names come from.
    pub ids: Arc<dyn Ids>,
    /// The environment as it was at the start.
    pub env: Arc<Env>,
    /// How programs are started.
    pub procs: Arc<dyn Procs>,
    /// The failpoints.
    pub faults: Arc<Faults>,
    /// This program, for parts of it that run as processes of their own.
    pub program: PathBuf,
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// The monotonic clock, for durations.
    fn mono(&self) -> Instant {
        Instant::now()
    }
    /// Waits.
    fn sleep(&self, d: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(d))
    }
}

/// A source of names that nobody else has.
pub trait Ids: Send + Sync {
    /// `n` lower-case hex digits.
    fn hex(&self, n: usize) -> io::Result<String>;
    /// A free TCP port on loopback, held open until the listener is dropped.
    fn port(&self) -> io::Result<TcpListener> {
        TcpListener::bind(("127.0.0.1", 0))
    }
}

/// The machine's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(since.as_millis().try_into().unwrap_or(i64::MAX))
    }
}

/// The machine's random numbers.
struct SystemIds;

impl Ids for SystemIds {
    fn hex(&self, n: usize) -> io::Result<String> {
        let mut bytes = vec![0; n.div_ceil(2)];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        text.truncate(n);
        Ok(text)
    }
}

/// A clock that advances by one millisecond a reading, for tests that compare bytes.
#[cfg(feature = "faults")]
struct SteppingClock(std::sync::atomic::AtomicI64);

#[cfg(feature = "faults")]
impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    }
}

/// A clock that a file tells the time, in milliseconds, for tests in which it passes while a process stands still.
#[cfg(feature = "faults")]
struct ToldClock(PathBuf);

#[cfg(feature = "faults")]
impl Clock for ToldClock {
    fn now(&self) -> Timestamp {
        let told = std::fs::read_to_string(&self.0).ok().and_then(|text| text.trim().parse().ok());
        Timestamp::from_millis(told.unwrap_or_default())
    }
}

/// This machine's processes under another name of the machine, for tests with several machines.
#[cfg(feature = "faults")]
struct Renamed(String);

#[cfg(feature = "faults")]
impl Procs for Renamed {
    fn spawn(&self, spec: &crate::base::procs::Spec) -> io::Result<crate::base::procs::Child> {
        crate::base::procs::SystemProcs.spawn(spec)
    }
    fn inner(&self) -> Option<&dyn Procs> {
        Some(&crate::base::procs::SystemProcs)
    }
    fn host(&self) -> String {
        self.0.clone()
    }
}

/// Ids that count up from a seed, for tests that compare bytes.
#[cfg(feature = "faults")]
struct CountingIds(std::sync::atomic::AtomicU64);

#[cfg(feature = "faults")]
impl Ids for CountingIds {
    fn hex(&self, n: usize) -> io::Result<String> {
        let seed = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(crate::base::Sha256::of(seed.to_be_bytes()).to_string()[..n.min(64)].to_owned())
    }
}

/// Variables that say through what the network is reached, and which certificates count there.
pub const NETWORK: [&str; 11] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
];

/// The environment, read once at the door. `GIT_*` is kept apart, so that no child inherits it by accident.
#[derive(Clone, Debug, Default)]
pub struct Env {
    /// All variables but `GIT_*`.
    pub vars: BTreeMap<OsString, OsString>,
    /// The `GIT_*` variables: for opening the repository and for the user's identity only.
    pub git: BTreeMap<OsString, OsString>,
    /// The current directory at the start (after `-C`).
    pub cwd: PathBuf,
    /// `$HOME`, where set.
    pub home: Option<PathBuf>,
}

impl Env {
    /// Reads the process's environment.
    pub fn read() -> io::Result<Env> {
        let (git, vars): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::env::vars_os().partition(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_"));
        let home = vars.get(OsStr::new("HOME")).filter(|h| !h.is_empty()).map(PathBuf::from);
        Ok(Env { vars, git, cwd: std::env::current_dir()?, home })
    }

    /// A variable's value where it is valid Unicode.
    pub fn var(&self, name: &str) -> Option<&str> {
        let all = if name.starts_with("GIT_") { &self.git } else { &self.vars };
        all.get(OsStr::new(name)).and_then(|v| v.to_str())
    }

    /// Where state of this program outside repositories lives: `$XDG_STATE_HOME/git-otto`, else
    /// `$HOME/.local/state/git-otto` (XDG Base Directory Specification); none without either.
    pub fn state_dir(&self) -> Option<PathBuf> {
        let xdg = self.vars.get(OsStr::new("XDG_STATE_HOME")).map(PathBuf::from).filter(|p| p.is_absolute());
        let base = xdg.or_else(|| self.home.as_ref().map(|h| h.join(".local/state")))?;
        Some(base.join("git-otto"))
    }
}

/// The file of this program; its name, to be found on the PATH, where the system does not tell.
fn program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "git-otto".into())
}

impl World {
    /// The real world of this process. With the feature `faults` the variables `GIT_OTTO_FAULT`, `GIT_OTTO_CLOCK`
    /// (milliseconds, or the path of a file that tells them), `GIT_OTTO_SEED` and `GIT_OTTO_HOST` set failpoints, a
    /// stepping clock, counting ids and the machine's name.
    pub fn real(env: Env) -> Result<World, crate::base::Failure> {
        #[cfg(feature = "faults")]
        return Self::real_with_faults(env);
        #[cfg(not(feature = "faults"))]
        Ok(World {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            env: Arc::new(env),
            procs: Arc::new(crate::base::procs::SystemProcs),
            faults: Arc::new(Faults::default()),
            program: program(),
        })
    }

    #[cfg(feature = "faults")]
    fn real_with_faults(env: Env) -> Result<World, crate::base::Failure> {
        use crate::base::{Exit, Failure};
        let number = |name: &str| -> Result<Option<i64>, Failure> {
            let Some(text) = env.var(name) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| Failure::new(Exit::Usage, format!("{name}={text:?} is not a number")))
        };
        let clock: Arc<dyn Clock> = match env.var("GIT_OTTO_CLOCK").filter(|path| path.starts_with('/')) {
            Some(path) => Arc::new(ToldClock(path.into())),
            None => match number("GIT_OTTO_CLOCK")? {
                Some(ms) => Arc::new(SteppingClock(ms.into())),
                None => Arc::new(SystemClock),
            },
        };
        let ids: Arc<dyn Ids> = match number("GIT_OTTO_SEED")? {
            Some(seed) => Arc::new(CountingIds((seed as u64).into())),
            None => Arc::new(SystemIds),
        };
        let faults = Faults::parse(env.var("GIT_OTTO_FAULT")).map_err(|e| Failure::new(Exit::Usage, e))?;
        let procs: Arc<dyn Procs> = match env.var("GIT_OTTO_HOST") {
            Some(host) => Arc::new(Renamed(host.to_owned())),
            None => Arc::new(crate::base::procs::SystemProcs),
        };
        Ok(World { clock, ids, env: Arc::new(env), procs, faults: Arc::new(faults), program: program() })
    }
}
