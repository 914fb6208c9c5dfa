//! Package managers: their caches, what they may know of the user's network, and their programs in a checkout.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{
        Env, World,
        procs::{Child, Procs, Spec, find_program},
        world::NETWORK,
    },
    checks,
};

/// Variables of the user's that say where packages come from: for setup alone, besides those of the network.
const PASSED_ON: [&str; 15] = [
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_NO_INDEX",
    "PIP_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_OFFLINE",
    "UV_PYTHON",
    "npm_config_registry",
    "npm_config_offline",
];

/// Those that are set.
pub fn passed_on(env: &Env) -> Vec<(OsString, OsString)> {
    let set = NETWORK
        .iter()
        .chain(&PASSED_ON)
        .filter_map(|name| Some((name.into(), env.vars.get(OsStr::new(name))?.clone())));
    set.collect()
}

/// Variables that put the caches of all package managers below a folder, which is made.
pub fn caches(env: &Env, cache: &Path) -> io::Result<Vec<(OsString, OsString)>> {
    let packages = cache.join("packages");
    let mut out: Vec<(OsString, OsString)> = Vec::new();
    for (name, folder) in [
        ("PIP_CACHE_DIR", "pip"),
        ("UV_CACHE_DIR", "uv"),
        ("npm_config_cache", "npm"),
        ("npm_config_store_dir", "pnpm"),
    ] {
        std::fs::create_dir_all(packages.join(folder))?;
        out.push((name.into(), packages.join(folder).into()));
    }
    std::fs::create_dir_all(packages.join("cargo"))?;
    out.extend(cargo(env, cache).into_iter().map(|(name, value)| (name.into(), value.into())));
    for (name, value) in [
        ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ("UV_LINK_MODE", "copy"),
        ("UV_COMPILE_BYTECODE", "1"),
        // An interpreter that is downloaded would lie where checks do not see it.
        ("UV_PYTHON_DOWNLOADS", "never"),
        ("npm_config_audit", "false"),
        ("npm_config_fund", "false"),
        ("npm_config_update_notifier", "false"),
        ("npm_config_package_import_method", "copy"),
        // Nobody is there to answer.
        ("CI", "true"),
    ] {
        out.push((name.into(), value.into()));
    }
    Ok(out)
}

/// Where cargo finds what was fetched, and rustup its toolchains, although HOME is another one.
pub fn cargo(env: &Env, cache: &Path) -> Vec<(String, String)> {
    let toolchains = env.var("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(env.home.as_ref()?.join(".rustup")));
    let toolchains = toolchains.filter(|dir| dir.is_absolute() && dir.is_dir());
    let named = [("CARGO_HOME", Some(cache.join("packages/cargo"))), ("RUSTUP_HOME", toolchains)];
    named.into_iter().filter_map(|(name, dir)| Some((name.to_owned(), dir?.to_str()?.to_owned()))).collect()
}

/// A world in which the programs of a checkout come first on the PATH of what is started, and are not what is started:
/// the program itself is looked up without them.
pub fn tools_first(world: &World, dir: &Path) -> World {
    let folders = checks::tools(dir);
    if folders.is_empty() {
        return world.clone();
    }
    World { procs: Arc::new(ToolsFirst { inner: world.procs.clone(), folders }), ..world.clone() }
}

struct ToolsFirst {
    inner: Arc<dyn Procs>,
    folders: Vec<PathBuf>,
}

impl Procs for ToolsFirst {
    fn spawn(&self, spec: &Spec) -> io::Result<Child> {
        let mut spec = spec.clone();
        let program = find_program(&spec)?;
        if let Some(first) = spec.argv.first_mut() {
            *first = program.into();
        }
        for (_, value) in spec.env.iter_mut().filter(|(name, _)| name == "PATH") {
            let all = self.folders.iter().cloned().chain(std::env::split_paths(value));
            *value = std::env::join_paths(all).map_err(io::Error::other)?;
        }
        self.inner.spawn(&spec)
    }

    fn inner(&self) -> Option<&dyn Procs> {
        Some(self.inner.as_ref())
    }
}
