//! The spec as strict types. Key order is the order of the fields; `crate::spec` reads, validates and writes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    base::{Sha256, SliceId, SpecId},
    checks::model::Check,
};

pub use crate::checks::model::{Port, Ready, Service};

pub mod change;
pub mod merge;
pub mod parts;
pub mod retire;
pub mod tier;

/// The value of a spec's `schema` field.
pub const SCHEMA: &str = "otto.spec/1";

/// A spec: what is to be built, in slices, and what proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Immutable.
    pub id: SpecId,
    /// One line.
    pub title: String,
    /// The intent's prose.
    pub intent: String,
    /// What kind of product it is.
    pub project_kind: ProjectKind,
    /// What its kind asks for.
    pub structure: Structure,
    /// What must hold.
    pub requirements: Vec<Requirement>,
    /// What is built, in the order of the queue.
    pub slices: Vec<Slice>,
    /// Checks over several slices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cross_slice_checks: Vec<CrossCheck>,
    /// Path patterns that every slice may add lines to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_scaffold: Vec<String>,
    /// Files that many slices rely on and one owns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contracts: Vec<Contract>,
    /// Programs that checks talk to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
    /// Argument vectors run in a workspace before its checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Vec<String>>,
    /// File blocks of the intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileBlock>,
    /// What is left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_goals: Vec<String>,
    /// When the whole counts as done, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done_means: Vec<String>,
    /// The oldest version of git otto that may write this spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_version: Option<String>,
}

/// What kind of product a spec describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectKind {
    /// Pages in a browser.
    Webapp,
    /// A command-line program.
    Cli,
    /// A package that other code calls.
    Library,
    /// An HTTP interface.
    Api,
    /// A long-running program.
    Service,
}

impl ProjectKind {
    /// Every kind.
    pub const ALL: [ProjectKind; 5] =
        [ProjectKind::Webapp, ProjectKind::Cli, ProjectKind::Library, ProjectKind::Api, ProjectKind::Service];

    /// The kind's name, as specs spell it.
    pub fn name(self) -> &'static str {
        match self {
            ProjectKind::Webapp => "webapp",
            ProjectKind::Cli => "cli",
            ProjectKind::Library => "library",
            ProjectKind::Api => "api",
            ProjectKind::Service => "service",
        }
    }
}

/// What each kind of product states of its shape; which one is said by [`Spec::project_kind`], and the schema holds them
/// together. No two kinds require the same fields, so a shape is of one kind only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Structure {
    /// Of a webapp.
    Webapp(Webapp),
    /// Of a cli.
    Cli(Cli),
    /// Of a library.
    Library(Library),
    /// Of an api.
    Api(Api),
    /// Of a service.
    Service(ServiceShape),
}

/// The shape of a webapp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webapp {
    /// At least one.
    pub routes: Vec<Route>,
    /// At least one.
    pub components: Vec<Component>,
    /// What it stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_model: Vec<Entity>,
}

/// A route of a webapp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// From `/`.
    pub path: String,
    /// The component that it shows.
    pub component: String,
    /// A text by which a person recognises it.
    pub key_text: String,
    /// HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_shape: Option<String>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_shape: Option<String>,
    /// Its errors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_codes: Vec<u16>,
}

/// A component of a webapp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// A text by which a person recognises it.
    pub key_text: String,
}

/// Something that a product stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// At least one.
    pub fields: Vec<String>,
}

/// The shape of a command-line program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cli {
    /// How it is started.
    pub entrypoint: String,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command of a command-line program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// What it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// What its exit codes mean.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exit_codes: BTreeMap<String, String>,
}

/// The shape of a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// The package's name.
    pub package_name: String,
    /// At least one.
    pub public_api: Vec<Symbol>,
    /// How it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
}

/// A public symbol of a library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Symbol {
    /// Its name.
    pub symbol: String,
    /// Function, class, constant…
    pub kind: String,
    /// One sentence.
    pub summary: String,
    /// How it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// The shape of an HTTP interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// What every path starts with.
    pub base_path: String,
    /// At least one.
    pub endpoints: Vec<Endpoint>,
    /// What it stores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_model: Vec<Entity>,
}

/// An endpoint of an HTTP interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// HTTP method.
    pub method: String,
    /// Below the base path.
    pub path: String,
    /// One sentence.
    pub summary: String,
    /// What it answers.
    pub response_shape: String,
    /// Who may call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
}

/// The shape of a long-running program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceShape {
    /// Its name.
    pub service_name: String,
    /// At least one: how its health shows.
    pub health_checks: Vec<String>,
    /// What it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
}

/// Something that must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Unique in its spec, such as `R1`.
    pub id: String,
    /// What must hold, in words.
    pub text: String,
}

/// A part of the product that is built and landed as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Unique in its spec.
    pub id: SliceId,
    /// One line.
    pub title: String,
    /// Ids of the requirements that it meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// Guidance for who builds it, never a gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Slices that must have landed before it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deps: Vec<SliceId>,
    /// Path patterns that it may change: git's `:(glob)` dialect, from the root.
    pub owned_paths: Vec<String>,
    /// At least one.
    pub checks: Vec<Check>,
}

/// A check over several slices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// It runs at the landing that completes them and at every later one; what must be kept runs before that as well.
    pub slices: Vec<SliceId>,
    /// The check.
    #[serde(flatten)]
    pub check: Check,
}

/// A file that many slices rely on and one owns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The file.
    pub path: String,
    /// Who may change it.
    pub owner: SliceId,
    /// How changes merge.
    pub mode: ContractMode,
    /// What it must offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<String>,
    /// Ids of checks that show that it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<String>,
}

/// How changes of a contract merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractMode {
    /// Lines are added.
    Literal,
    /// Exports and probes must hold.
    Semantic,
}

/// A file that the intent itself carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileBlock {
    /// The slice that it belongs to.
    pub slice: SliceId,
    /// From which attempt on it is used, from 1.
    pub attempt: u32,
    /// Where it goes.
    pub path: String,
    /// How it is stored.
    pub mode: FileMode,
    /// The digest of its content, which the spec's commit holds as `files/<sha256>`.
    pub sha256: Sha256,
}

/// How git stores a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileMode {
    /// A plain file.
    #[serde(rename = "100644")]
    Plain,
    /// An executable file.
    #[serde(rename = "100755")]
    Executable,
}

impl Structure {
    /// The kind that it is the shape of.
    pub fn kind(&self) -> ProjectKind {
        match self {
            Structure::Webapp(_) => ProjectKind::Webapp,
            Structure::Cli(_) => ProjectKind::Cli,
            Structure::Library(_) => ProjectKind::Library,
            Structure::Api(_) => ProjectKind::Api,
            Structure::Service(_) => ProjectKind::Service,
        }
    }
}

impl Spec {
    /// The slice of that id.
    pub fn slice(&self, id: &SliceId) -> Option<&Slice> {
        self.slices.iter().find(|s| &s.id == id)
    }

    /// The patterns of files that every slice may add lines to: the shared scaffold, and literal contracts.
    pub fn adding(&self) -> Vec<String> {
        let literal = self.contracts.iter().filter(|c| c.mode == ContractMode::Literal);
        self.shared_scaffold.iter().chain(literal.map(|c| &c.path)).cloned().collect()
    }

    /// The digests of the contents that it names: file blocks and files of checks.
    pub fn contents(&self) -> impl Iterator<Item = Sha256> {
        let judges = self.checks().flat_map(|(_, check)| check.files.values().copied());
        self.files.iter().map(|f| f.sha256).chain(judges)
    }

    /// Every check by its JSON pointer (RFC 6901), cross-slice checks last.
    pub fn checks_at(&self) -> impl Iterator<Item = (String, &Check)> {
        let slices = self.slices.iter().enumerate();
        let own = slices.flat_map(|(i, s)| {
            s.checks.iter().enumerate().map(move |(k, check)| (format!("/slices/{i}/checks/{k}"), check))
        });
        let cross = self.cross_slice_checks.iter().enumerate();
        own.chain(cross.map(|(i, c)| (format!("/cross_slice_checks/{i}"), &c.check)))
    }

    /// Every check with its slice, cross-slice checks last with none.
    pub fn checks(&self) -> impl Iterator<Item = (Option<&Slice>, &Check)> {
        let own = self.slices.iter().flat_map(|s| s.checks.iter().map(move |c| (Some(s), c)));
        own.chain(self.cross_slice_checks.iter().map(|c| (None, &c.check)))
    }
}
