//! How the programs of a run are confined, whoever starts them.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use super::{Available, Confined, Level, Rules};
use crate::base::{Exit, Failure, World, text::one_line};

/// Who may use the network (`otto.sandbox.network`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Agents, setup and checks.
    #[default]
    All,
    /// Agents and setup; checks, and commands that a model over HTTP runs, do not.
    Agents,
    /// Nobody.
    None,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Network::All => "all",
            Network::Agents => "agents",
            Network::None => "none",
        })
    }
}

impl FromStr for Network {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Network, Failure> {
        match text {
            "all" => Ok(Network::All),
            "agents" => Ok(Network::Agents),
            "none" => Ok(Network::None),
            _ => {
                let text = format!("otto.sandbox.network is {:?}; there are all, agents and none", one_line(text, 80));
                Err(Failure::new(Exit::Usage, text).hint("git config otto.sandbox.network all"))
            }
        }
    }
}

/// Whose program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An agent, or what prepares a checkout.
    Agent,
    /// A check, or a command that a model asks for.
    Check,
}

/// How the programs of a run are confined.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// What the machine offers.
    pub available: Arc<Available>,
    /// What of it is used.
    pub level: Level,
    /// Who may use the network.
    pub network: Network,
    /// What every program may read although it lies in a hidden place: the repository's objects, what the user adds.
    pub read: Vec<PathBuf>,
    /// What every program may write besides its own places: what the user adds.
    pub write: Vec<PathBuf>,
}

impl Sandbox {
    /// A world as an agent sees it that works in `dir`, with `scratch` beside it, and that reads and writes its own login.
    /// What a model `elsewhere` has run here is no more trusted than a check.
    pub fn agent(&self, world: &World, elsewhere: bool, dir: &Path, scratch: &Path, mut login: Vec<PathBuf>) -> World {
        login.extend([dir.to_owned(), scratch.to_owned()]);
        let whose = if elsewhere { Whose::Check } else { Whose::Agent };
        self.around(world, whose, scratch.to_owned(), login)
    }

    /// A world like `world` in which every program is confined: it may write the folders `write`, and `tmp` is its `/tmp`.
    pub fn around(&self, world: &World, whose: Whose, tmp: PathBuf, write: Vec<PathBuf>) -> World {
        let mut rules = Rules::new(&world.env, &tmp);
        rules.write.extend(write);
        rules.write.extend(self.write.iter().cloned());
        rules.read.extend(self.read.iter().cloned());
        rules.network = match self.network {
            Network::All => true,
            Network::Agents => whose == Whose::Agent,
            Network::None => false,
        };
        let confined = Confined::new(world.procs.clone(), self.available.clone(), self.level, rules);
        World { procs: Arc::new(confined), ..world.clone() }
    }
}
