//! One turn of a conversation: greet, begin or continue, choose the model, prompt.

use std::{pin::pin, time::Duration};

use agent_client_protocol::{
    self as acp, ErrorCode, JsonRpcRequest, UntypedMessage, is_incoming_transport_closed,
    schema::ProtocolVersion,
    v1::{
        ConnectionTo,
        schema::{
            AgentCapabilities, AuthMethod, CancelNotification, ClientCapabilities, ContentBlock,
            FileSystemCapabilities, Implementation, InitializeRequest, PromptRequest,
        },
    },
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    super::{Agent, Event, Trouble, program},
    desk::Desk,
    wire::Wire,
};
use crate::base::{Cost, text};

/// How long an agent may take to stop once it is told to.
const STOPPING: Duration = Duration::from_secs(5);

/// An agent that counts US dollars from nothing in a conversation that it continues, unlike what the protocol says
/// (measured with its version 0.49.0).
const COUNTS_ANEW: &str = "claude-agent-acp";

/// How long an agent is silent that has told all of a conversation's past.
const PAST: Duration = Duration::from_millis(300);

/// The longest name of a conversation that is kept.
const LONGEST_ID: usize = 500;

/// Why a turn failed.
#[derive(Debug, Default)]
pub struct Failure {
    /// In our words.
    pub sentence: String,
    /// In the agent's, where words of its explain it; the end of its standard error stands for them where they are empty.
    pub words: Option<String>,
    /// Why another try is of no use.
    pub trouble: Option<Trouble>,
    /// A limit was reached: nothing more is waited for.
    pub is_limit: bool,
    /// It ended in the middle: how it ended says more.
    pub is_end: bool,
}

/// One turn with an agent.
pub struct Talk<'a> {
    /// The connection to it.
    pub connection: ConnectionTo<acp::Agent>,
    /// Who was chosen.
    pub agent: &'a Agent,
    /// Who answers its requests.
    pub desk: &'a Desk<'a>,
    /// The pipes to it.
    pub wire: &'a Wire,
}

/// A conversation that was begun or continued.
struct Opened {
    id: String,
    /// What the agent said of it: models, settings.
    state: Value,
}

impl Talk<'_> {
    /// Has the whole turn, within the call's limits. At a limit the agent is told to stop, and given a moment for it.
    pub async fn turn(&self) -> Result<(), Failure> {
        let bounds = self.desk.call.bounds;
        let limit = {
            let mut steps = pin!(self.steps());
            let limit = tokio::select! {
                done = &mut steps => return done,
                limit = self.wire.limit(bounds) => limit,
            };
            if let Some(id) = self.desk.heard.session()
                && self.connection.send_notification(CancelNotification::new(id)).is_ok()
            {
                // Whatever it says now comes too late, but what it cost counts.
                let _ = timeout(STOPPING, &mut steps).await;
            }
            limit
        };
        Err(Failure { sentence: program::reached(limit, bounds), is_limit: true, ..Failure::default() })
    }

    async fn steps(&self) -> Result<(), Failure> {
        let call = self.desk.call;
        let files = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
        let hello = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(files))
            .client_info(Implementation::new("git-otto", env!("CARGO_PKG_VERSION")));
        let hello = self.ask(hello).await?;
        let with_logins = |failure| with_logins(failure, &hello.auth_methods);

        let continued = match &call.session.id {
            Some(id) if call.session.begun => self.resume(id, &hello.agent_capabilities).await.map_err(with_logins)?,
            _ => None,
        };
        let counts_anew = hello.agent_info.is_some_and(|info| info.name.ends_with(COUNTS_ANEW));
        let (opened, spent) = match continued {
            Some(opened) if counts_anew => (opened, Cost::default()),
            Some(opened) => (opened, call.session.spent),
            None => (self.open().await.map_err(with_logins)?, Cost::default()),
        };
        self.desk.heard.opened(opened.id.clone().into(), spent);
        self.choose(&opened).await?;

        self.desk.heard.prompted();
        let prompt = PromptRequest::new(opened.id, vec![ContentBlock::from(call.prompt)]);
        // Untyped: what a prompt cost stands in fields that the protocol does not have yet.
        let answer = self.ask(untyped("session/prompt", prompt)?).await.map_err(with_logins);
        self.desk.heard.end_message();
        let answer = answer?;
        self.desk.heard.count(&answer);
        match answer["stopReason"].as_str() {
            Some("end_turn") => Ok(()),
            Some(reason) => Err(failure(format!("it stopped before it was done: {}", text::one_line(reason, 80)))),
            None => Err(failure("it does not say why it stopped".into())),
        }
    }

    async fn open(&self) -> Result<Opened, Failure> {
        let place = json!({"cwd": self.desk.root, "mcpServers": []});
        let state = self.ask(untyped("session/new", place)?).await?;
        match state["sessionId"].as_str() {
            Some(id) if (1..=LONGEST_ID).contains(&id.len()) => Ok(Opened { id: id.to_owned(), state }),
            _ => Err(failure("its answer to session/new names no session".into())),
        }
    }

    /// Continues a conversation; none where the agent cannot, which is told.
    async fn resume(&self, id: &str, can: &AgentCapabilities) -> Result<Option<Opened>, Failure> {
        let anew = |why: String| {
            self.desk.heard.tell(Event::Text(format!("its conversation cannot be continued, a new one begins: {why}")));
            Ok(None)
        };
        let method = if can.session_capabilities.resume.is_some() {
            "session/resume"
        } else if can.load_session {
            "session/load"
        } else {
            return anew("it offers no way to".into());
        };
        let place = json!({"sessionId": id, "cwd": self.desk.root, "mcpServers": []});
        match self.ask(untyped(method, place)?).await {
            Ok(state) => {
                // Gemini CLI goes on telling the past after its answer: what comes later has to be of this turn.
                let _ = timeout(STOPPING, self.wire.quiet(PAST)).await;
                Ok(Some(Opened { id: id.to_owned(), state }))
            }
            Err(e) if e.is_end || e.trouble.is_some() => Err(e),
            Err(e) => anew(e.words.filter(|words| !words.is_empty()).unwrap_or(e.sentence)),
        }
    }

    /// Chooses the model and the effort that the user chose.
    async fn choose(&self, opened: &Opened) -> Result<(), Failure> {
        if let Some(model) = &self.agent.model {
            let models = opened.state["models"]["availableModels"].as_array();
            let models: Vec<&str> = models.into_iter().flatten().filter_map(|m| m["modelId"].as_str()).collect();
            let unknown = |there_are: &[&str]| {
                let some = there_are.iter().take(20).copied().collect::<Vec<_>>().join(", ");
                let offer = if some.is_empty() { "no choice".into() } else { text::one_line(&some, 1000) };
                let sentence = format!("it does not offer the model {model:?}; it offers {offer}");
                Failure { trouble: Some(Trouble::Model), ..failure(sentence) }
            };
            match setting(&opened.state, "model") {
                Some((id, values)) if values.contains(&model.as_str()) => self.set(opened, id, model).await?,
                Some((_, values)) => return Err(unknown(&values)),
                None if models.contains(&model.as_str()) => {
                    let choice = json!({"sessionId": opened.id, "modelId": model});
                    self.ask(untyped("session/set_model", choice)?).await?;
                }
                None => return Err(unknown(&models)),
            }
        }
        if let Some(effort) = &self.agent.effort {
            match setting(&opened.state, "thought_level") {
                Some((id, values)) if values.contains(&effort.as_str()) => self.set(opened, id, effort).await?,
                _ => self.desk.heard.tell(Event::Text(format!("it does not offer the effort {effort:?}"))),
            }
        }
        Ok(())
    }

    async fn set(&self, opened: &Opened, id: &str, value: &str) -> Result<(), Failure> {
        let choice = json!({"sessionId": opened.id, "configId": id, "value": value});
        self.ask(untyped("session/set_config_option", choice)?).await.map(|_| ())
    }

    async fn ask<R: JsonRpcRequest>(&self, request: R) -> Result<R::Response, Failure> {
        let method = request.method().to_owned();
        self.connection.send_request(request).block_task().await.map_err(|e| {
            if is_incoming_transport_closed(&e) {
                let sentence = format!("it ended before it answered {method}");
                return Failure { is_end: true, words: Some(String::new()), ..failure(sentence) };
            }
            let trouble = (e.code == ErrorCode::AUTH_REQUIRED).then_some(Trouble::Login);
            let words = match &e.data {
                Some(data) => format!("{}: {}", e.message, words_of(data)),
                // It says nothing: its standard error may.
                None if e.code == ErrorCode::INTERNAL_ERROR => String::new(),
                None => e.message,
            };
            Failure { words: Some(words), trouble, ..failure(format!("it answered {method} with an error")) }
        })
    }
}

fn failure(sentence: String) -> Failure {
    Failure { sentence, ..Failure::default() }
}

/// A failure for want of a login, with the ways in that the agent names.
fn with_logins(failure: Failure, methods: &[AuthMethod]) -> Failure {
    if failure.trouble != Some(Trouble::Login) {
        return failure;
    }
    let names: Vec<&str> = methods.iter().map(AuthMethod::name).collect();
    let ways = text::one_line(&names.join(", "), 200);
    let sentence = if ways.is_empty() { "it is not logged in".into() } else { format!("it is not logged in ({ways})") };
    Failure { sentence, ..failure }
}

/// The words in an error's data, whatever its shape.
fn words_of(data: &Value) -> String {
    let words = [data, &data["details"], &data["message"]].into_iter().find_map(Value::as_str);
    words.map_or_else(|| data.to_string(), str::to_owned)
}

/// A setting of a conversation that is chosen from a list: its id and the values.
fn setting<'v>(state: &'v Value, category: &str) -> Option<(&'v str, Vec<&'v str>)> {
    let settings = state["configOptions"].as_array()?;
    let setting = settings.iter().find(|s| s["category"] == category || s["id"] == category)?;
    let options = setting["options"].as_array()?;
    let grouped = options.iter().filter_map(|o| o["options"].as_array()).flatten();
    let values = options.iter().chain(grouped).filter_map(|o| o["value"].as_str()).collect();
    Some((setting["id"].as_str()?, values))
}

fn untyped(method: &str, params: impl serde::Serialize) -> Result<UntypedMessage, Failure> {
    UntypedMessage::new(method, params).map_err(|e| failure(format!("{method} could not be asked: {}", e.message)))
}
