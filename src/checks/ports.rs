//! Ports that services of this process have, so that no two of them get the same one: who asks at a port must not be
//! answered by the service of another tree.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::base::{
    World,
    lock::{Holder, Lock, Taken},
};

/// How often a port that somebody else has is looked at again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long other rounds and other runs may keep a fixed port.
const OTHERS: Duration = Duration::from_secs(1800);
/// How many free ports are tried.
const TRIES: usize = 100;

/// The ports that are given.
#[derive(Clone, Debug, Default)]
pub struct Ports(Arc<Mutex<HashSet<u16>>>);

/// A port that nobody else gets as long as this value lives.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) port: u16,
    all: Ports,
    /// Keeps other processes of this user away, where the port is one that a spec names.
    _lock: Option<Lock>,
}

impl Ports {
    fn give(&self, port: u16, lock: Option<Lock>) -> Option<Given> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        new.then(|| Given { port, all: self.clone(), _lock: lock })
    }

    /// Any port on which nobody listens.
    pub(super) fn free(&self, world: &World) -> Result<Given, String> {
        for _ in 0..TRIES {
            let listener = world.ids.port().map_err(|e| format!("there is no free port: {e}"))?;
            let port = listener.local_addr().map_err(|e| format!("there is no free port: {e}"))?.port();
            if let Some(given) = self.give(port, None) {
                return Ok(given);
            }
        }
        Err("there is no free port".into())
    }

    /// This port, once no other service has it: of this process or of another one of this user.
    pub(super) async fn fixed(&self, world: &World, port: u16) -> Result<Given, String> {
        let dir = world.env.state_dir().unwrap_or_else(|| std::env::temp_dir().join("git-otto")).join("ports");
        let file = dir.join(format!("{port}.lock"));
        let (proc, host, since) = (world.procs.me(), world.procs.host(), world.clock.now());
        let holder = Holder { proc, host, since, what: format!("a service on port {port}") };
        let begun = world.clock.mono();
        loop {
            match Lock::take(&file, &holder).map_err(|e| format!("{} cannot be locked: {e}", file.display()))? {
                Taken::Mine(lock) => {
                    if let Some(given) = self.give(port, Some(lock)) {
                        return Ok(given);
                    }
                }
                Taken::Theirs(_) => {}
            }
            if begun.elapsed() > OTHERS {
                return Err(format!(
                    "port {port} is kept by other services of git otto; with \"auto\" each gets its own"
                ));
            }
            world.clock.sleep(AGAIN).await;
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Env;

    #[tokio::test]
    async fn a_port_is_given_once_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let env = Env { home: Some(home.path().to_owned()), ..Env::default() };
        let world = World::real(env).unwrap();
        let (ports, others) = (Ports::default(), Ports::default());
        let first = ports.fixed(&world, 9).await.unwrap();
        for waiting in [&ports, &others] {
            let second = tokio::time::timeout(Duration::from_millis(60), waiting.fixed(&world, 9)).await;
            assert!(second.is_err(), "it waits as long as the first one has it");
        }
        drop(first);
        assert_eq!(others.fixed(&world, 9).await.unwrap().port, 9);
        let (a, b) = (ports.free(&world).unwrap(), ports.free(&world).unwrap());
        assert_ne!(a.port, b.port);
    }
}
