//! A repository: found, opened and checked. The only place that opens gix.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use gix::{
    create, discover,
    open::{Options, Permissions},
    sec::Trust,
};

use super::{
    Error, Refs, Result,
    cmd::{Git, Output},
    config::Config,
    files::Files,
    objects::Writes,
    reftable::Reftable,
};
use crate::base::{Env, procs::Procs, scratch::Folder};

/// A git repository. Cheap to clone, shared between threads.
#[derive(Clone)]
pub struct Repo {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) gix: gix::ThreadSafeRepository,
    pub(super) git: Git,
    pub(super) config: Config,
    pub(super) writes: Mutex<Writes>,
    /// Held while objects are being made durable, so that whoever finds nothing to do knows that it is done.
    pub(super) syncing: Mutex<()>,
    pub(super) reftable: bool,
    hash: gix::hash::Kind,
    refs: Box<dyn Refs>,
    common_dir: PathBuf,
    /// What a push brought is seen through this folder.
    _incoming: Option<Folder>,
}

/// The extensions of the repository format that are honoured here.
const EXTENSIONS: [&str; 8] = [
    "noop",
    "noop-v1",
    "preciousobjects",
    "partialclone",
    "objectformat",
    "refstorage",
    "worktreeconfig",
    "relativeworktrees",
];

impl Repo {
    /// The repository of the current directory, as git would find it (`GIT_DIR`, `GIT_WORK_TREE`,
    /// `GIT_CEILING_DIRECTORIES`). In a hook that judges a push it has the objects in quarantine too (`GIT_QUARANTINE_PATH`).
    pub fn discover(env: &Env) -> Result<Repo> {
        let var = |name: &str| env.git.get(OsStr::new(name)).filter(|v| !v.is_empty());
        let work_tree = var("GIT_WORK_TREE").map(|dir| env.cwd.join(dir));
        if let Some(dir) = var("GIT_DIR") {
            let dir = env.cwd.join(dir);
            let repo = open(&dir, env.clone(), work_tree).map_err(|_| Error::NoRepository(dir))?;
            return Ok(repo);
        }
        let ceilings = var("GIT_CEILING_DIRECTORIES").map(|v| std::env::split_paths(v).collect()).unwrap_or_default();
        let options = discover::upwards::Options {
            ceiling_dirs: ceilings,
            match_ceiling_dir_or_error: false,
            current_dir: Some(&env.cwd),
            ..Default::default()
        };
        let found = discover::upwards_opts(&env.cwd, options).map_err(|_| not_found(&env.cwd))?;
        let (path, trust) = found;
        let (git_dir, found_tree) = path.into_repository_and_work_tree_directories();
        let git_dir = env.cwd.join(git_dir);
        if trust != Trust::Full {
            // Somebody else's: git itself knows whether `safe.directory` allows it, and says what to type if not.
            Git { git_dir: env.cwd.clone(), work_dir: None, env: Arc::new(env.clone()) }.found_safe()?;
        }
        let found_tree = found_tree.map(|dir| env.cwd.join(dir));
        open(&git_dir, env.clone(), work_tree.or(found_tree))
    }

    /// The repository at a path: its git directory, or a checkout. Only its own configuration counts: no user's, no
    /// system's, nothing from the environment but `PATH`.
    pub fn open(git_dir: &Path) -> Result<Repo> {
        let mut env = Env { cwd: PathBuf::from("/"), ..Env::default() };
        env.vars.extend(std::env::var_os("PATH").map(|path| (OsString::from("PATH"), path)));
        env.git.insert("GIT_CONFIG_NOSYSTEM".into(), "1".into());
        env.git.insert("GIT_CONFIG_GLOBAL".into(), "/dev/null".into());
        open(git_dir, env, None)
    }

    /// A new repository with a checkout, on the unborn branch `main`.
    pub fn init(dir: &Path) -> Result<Repo> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let options = options().config_overrides(["init.defaultBranch=main"]);
        let kind = create::Kind::WithWorktree;
        gix::ThreadSafeRepository::init_opts(dir, kind, create::Options::default(), options)
            .map_err(Error::gix("create a repository"))?;
        Repo::open(dir)
    }

    /// The same repository seen from another of its checkouts, in the same environment.
    pub(super) fn beside(&self, git_dir: &Path, work_dir: PathBuf) -> Result<Repo> {
        open(git_dir, Env::clone(&self.inner.git.env), Some(work_dir))
    }

    /// Where what all checkouts share lives: objects, refs, configuration.
    pub fn common_dir(&self) -> &Path {
        &self.inner.common_dir
    }

    /// The git directory of this checkout.
    pub fn git_dir(&self) -> &Path {
        &self.inner.git.git_dir
    }

    /// The checkout; none in a bare repository.
    pub fn work_dir(&self) -> Option<&Path> {
        self.inner.git.work_dir.as_deref()
    }

    /// `sha1` or `sha256`.
    pub fn object_format(&self) -> &'static str {
        match self.hash_kind() {
            gix::hash::Kind::Sha256 => "sha256",
            _ => "sha1",
        }
    }

    /// The refs.
    pub fn refs(&self) -> &dyn Refs {
        self.inner.refs.as_ref()
    }

    /// The command line of the user's editor, as git chooses it; `sh` reads it.
    pub fn editor(&self) -> Result<String> {
        self.inner.git.chosen("GIT_EDITOR")
    }

    /// The command line of the user's pager, as git chooses it; `sh` reads it.
    pub fn pager(&self) -> Result<String> {
        self.inner.git.chosen("GIT_PAGER")
    }

    /// Runs `git` on this repository: explicit directories, a built environment, no hooks, no prompt, no pager. A
    /// non-zero exit is an answer; [`Output::ok`] makes it an error.
    pub fn git<S: AsRef<OsStr>>(&self, args: &[S], stdin: Option<&[u8]>) -> Result<Output> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        self.inner.git.run(&args, stdin, &[])
    }

    /// Runs `git` to talk to another repository: over allowed protocols, with the user's own settings for that. `asks` lets
    /// it ask on the terminal; `hooks` has the user's hooks run.
    pub fn talk<S: AsRef<OsStr>>(&self, args: &[S], asks: bool, hooks: bool) -> Result<Output> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        self.inner.git.talk(&args, asks, hooks)
    }

    /// The same in passing: it asks nobody, no hook of the user's runs, and it has until `patience`.
    pub fn talk_briefly<S: AsRef<OsStr>>(&self, procs: &dyn Procs, args: &[S], patience: Duration) -> Result<Output> {
        let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        self.inner.git.talk_briefly(procs, &args, patience)
    }

    /// Sets a configuration value of this repository, beside those that it has.
    pub fn add_config(&self, key: &str, value: &str) -> Result<()> {
        self.inner.git.config(&["--local", "--add", key, value].map(OsStr::new))?.ok().map(drop)
    }

    /// The password that the user's credential helpers know for a URL, if any does; an error where they do not say in
    /// time. A URL that is more than one line is asked of nobody.
    pub async fn credential(&self, procs: &dyn Procs, url: &str, patience: Duration) -> Result<Option<String>> {
        if url.contains(char::is_control) {
            return Ok(None);
        }
        self.inner.git.credential(procs, url, patience).await
    }

    pub(super) fn local(&self) -> gix::Repository {
        self.inner.gix.to_thread_local()
    }

    pub(super) fn hash_kind(&self) -> gix::hash::Kind {
        self.inner.hash
    }

    /// Whether what is written must survive a power cut (`otto.fsync`, on by default).
    pub(super) fn durable(&self) -> bool {
        self.config_bool("otto.fsync").ok().flatten().unwrap_or(true)
    }
}

/// Why no repository was found around a folder: gix steps over one that it cannot read.
fn not_found(dir: &Path) -> Error {
    let looks_like_one = |dir: &PathBuf| dir.is_file() || dir.join("HEAD").is_file() && dir.join("objects").is_dir();
    let found = dir.ancestors().map(|dir| dir.join(".git")).find(looks_like_one);
    found.map_or_else(|| Error::NoRepository(dir.to_owned()), Error::Unreadable)
}

/// Isolated: gix reads no environment (no inherited object directories, no replaced objects) and no configuration but
/// the repository's own. Merges compare lines as git's do.
fn options() -> Options {
    Options::default().permissions(Permissions::isolated()).strict_config(false).config_overrides([
        "diff.algorithm=histogram",
        "merge.renames=true",
        "merge.renameLimit=7000",
        "core.useReplaceRefs=false",
        "core.protectHFS=true",
        "core.protectNTFS=true",
    ])
}

fn open(path: &Path, env: Env, work_tree: Option<PathBuf>) -> Result<Repo> {
    let path = std::path::absolute(path).map_err(Error::io("open", path))?;
    // Ownership was judged while discovering; a path given outright is the caller's decision, as with git.
    let mut gix = gix::ThreadSafeRepository::open_opts(&path, options().with(Trust::Full))
        .map_err(|e| if e.is_not_found() { Error::NoRepository(path) } else { Error::gix("open the repository")(e) })?;
    let local = gix.to_thread_local();
    let (git_dir, common_dir) = (local.git_dir().to_owned(), clean(local.common_dir()));
    let (reftable, hash) = (check_format(&local)?, local.object_hash());
    let mut incoming = None;
    if let Some((dir, store)) = super::incoming::store(&common_dir, &env, hash)? {
        gix.objects = Arc::new(store);
        incoming = Some(dir);
    }
    let work_dir =
        if local.is_bare() && work_tree.is_none() { None } else { work_tree.or(local.workdir().map(Into::into)) };
    let timeout = |key: &str, default: i64| match local.config_snapshot().integer(key).unwrap_or(default) {
        ms @ 0..60_000 => std::time::Duration::from_millis(ms as u64),
        _ => std::time::Duration::from_secs(60),
    };
    let timeouts = (timeout("core.filesRefLockTimeout", 100), timeout("core.packedRefsTimeout", 1000));
    let git = Git { git_dir: git_dir.clone(), work_dir, env: Arc::new(env) };
    let inner = Arc::new_cyclic(|me| {
        let refs: Box<dyn Refs> = if reftable {
            Box::new(Reftable { git: git.clone(), common_dir: common_dir.clone() })
        } else {
            let mut store = gix.refs.clone();
            // It would write that a ref has moved before it does: one that died in between would have told what never was.
            store.write_reflog = gix::refs::store::WriteReflog::Disable;
            Box::new(Files { store, git_dir, common_dir: common_dir.clone(), timeouts, repo: me.clone() })
        };
        let (config, writes, syncing) = (Config::default(), Mutex::default(), Mutex::default());
        Inner { gix, git, config, writes, syncing, reftable, hash, refs, common_dir, _incoming: incoming }
    });
    Ok(Repo { inner })
}

/// `..` inside the path of a linked checkout's common directory, resolved where possible.
fn clean(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Refuses what we do not know, since gix would ignore it; says whether refs are kept in reftables.
fn check_format(repo: &gix::Repository) -> Result<bool> {
    let config = repo.config_snapshot();
    let refuse = |what: String| Err(Error::Unsupported { git_dir: repo.git_dir().to_owned(), what });
    let version = config.integer("core.repositoryFormatVersion").unwrap_or(0);
    if !(0..=1).contains(&version) {
        return refuse(format!("repository format {version}"));
    }
    if version == 0 {
        return Ok(false);
    }
    for section in config.plumbing().sections_by_name("extensions").into_iter().flatten() {
        for name in section.body().value_names() {
            let name = name.to_string();
            if !EXTENSIONS.contains(&name.to_ascii_lowercase().as_str()) {
                return refuse(format!("extensions.{name}"));
            }
        }
    }
    match config.string("extensions.refStorage") {
        None => Ok(false),
        Some(name) if name == "files" => Ok(false),
        Some(name) if name == "reftable" => Ok(true),
        Some(name) => refuse(format!("extensions.refStorage={name}")),
    }
}
