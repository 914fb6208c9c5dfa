//! What an agent says while it works: its text, its tools and its cost, from the protocol's updates.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use agent_client_protocol::v1::schema::{
    ContentBlock, SessionId, SessionNotification, SessionUpdate, ToolCallContent, ToolCallId, ToolCallStatus,
    ToolCallUpdate, ToolKind,
};
use serde_json::Value;

use super::super::{Event, program::Usage};
use crate::base::{Cost, text};

/// The most text that is kept.
const MOST_TEXT: usize = 16 << 20;

/// The most tools that are remembered while they run.
const MOST_TOOLS: usize = 64;

/// The most that is believed of a cost: sums of it stay exact in JSON.
const MOST_COST: u64 = 1 << 45;

/// What was heard of one call.
pub struct Heard<'a> {
    notice: &'a (dyn Fn(Event) + Send + Sync),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The conversation, once it has a name.
    session: Option<SessionId>,
    /// What it had cost before, where it is continued.
    spent: Cost,
    /// Whether the prompt is on its way. What is told before is the past of a conversation that is continued.
    prompted: bool,
    /// All that it said; a new line begins after each use of a tool.
    text: String,
    /// Where its last message begins.
    message: usize,
    tools: HashMap<ToolCallId, Tool>,
    denied: Vec<String>,
    tokens: Cost,
    /// What the whole conversation cost, in millionths of a US dollar.
    usd_micros: u64,
}

/// A use of a tool as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    /// What kind of tool.
    pub kind: ToolKind,
    /// What for, in its own words; one line.
    pub title: String,
    /// Which files it is about.
    pub paths: Vec<PathBuf>,
}

impl<'a> Heard<'a> {
    /// Nothing yet.
    pub fn new(notice: &'a (dyn Fn(Event) + Send + Sync)) -> Heard<'a> {
        Heard { notice, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells an event.
    pub fn tell(&self, event: Event) {
        (self.notice)(event);
    }

    /// The conversation has a name, and had cost `spent` before.
    pub fn opened(&self, session: SessionId, spent: Cost) {
        self.tell(Event::Session(session.to_string()));
        let mut state = self.state();
        state.session = Some(session);
        state.spent = spent;
    }

    /// The conversation.
    pub fn session(&self) -> Option<SessionId> {
        self.state().session.clone()
    }

    /// The prompt is on its way: what is told from now on belongs to the call.
    pub fn prompted(&self) {
        self.state().prompted = true;
    }

    /// Takes one update.
    pub fn update(&self, said: SessionNotification) {
        {
            let state = self.state();
            if !state.prompted || state.session.as_ref() != Some(&said.session_id) {
                return;
            }
        }
        self.tell(Event::Stirred);
        match said.update {
            SessionUpdate::AgentMessageChunk(chunk) => {
                if let ContentBlock::Text(part) = chunk.content {
                    let mut state = self.state();
                    if state.text.len() + part.text.len() <= MOST_TEXT {
                        state.text.push_str(&part.text);
                    }
                }
            }
            SessionUpdate::ToolCall(call) => {
                self.tool(&call.into());
            }
            SessionUpdate::ToolCallUpdate(update) => {
                self.tool(&update);
            }
            SessionUpdate::UsageUpdate(usage) => {
                if let Some(cost) = usage.cost.filter(|c| c.currency == "USD") {
                    self.state().usd_micros = ((cost.amount * 1e6).round() as u64).min(MOST_COST);
                }
            }
            _ => {}
        }
    }

    /// Takes what is said of a tool's use, in one piece or in several, and gives what is known of it by now.
    pub fn tool(&self, update: &ToolCallUpdate) -> Tool {
        self.end_message();
        let fields = &update.fields;
        let mut state = self.state();
        let known = state.tools.get(&update.tool_call_id);
        let (is_new, mut tool) = (known.is_none(), known.cloned().unwrap_or_default());
        let before = tool.title.clone();
        tool.kind = fields.kind.unwrap_or(tool.kind);
        if let Some(title) = fields.title.as_ref().or(fields.name.as_ref()) {
            tool.title = text::one_line(title, 300);
        }
        if let Some(locations) = &fields.locations {
            tool.paths = locations.iter().map(|l| l.path.clone()).collect();
        }
        for content in fields.content.iter().flatten() {
            if let ToolCallContent::Diff(diff) = content
                && !tool.paths.contains(&diff.path)
            {
                tool.paths.push(diff.path.clone());
            }
        }
        let has_failed = fields.status == Some(ToolCallStatus::Failed);
        if has_failed || fields.status == Some(ToolCallStatus::Completed) {
            state.tools.remove(&update.tool_call_id);
        } else {
            if is_new && state.tools.len() >= MOST_TOOLS {
                state.tools.clear();
            }
            state.tools.insert(update.tool_call_id.clone(), tool.clone());
        }
        drop(state);
        // What ends without having been announced was still used.
        if is_new || tool.title != before {
            self.tell(Event::Tool(kind_name(tool.kind), tool.title.clone()));
        }
        if has_failed {
            let why = fields.content.iter().flatten().find_map(|content| match content {
                ToolCallContent::Content(c) => match &c.content {
                    ContentBlock::Text(t) => Some(text::one_line(t.text.trim_start_matches('`'), 300)),
                    _ => None,
                },
                _ => None,
            });
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            self.tell(Event::Tool(kind_name(tool.kind), format!("failed{why}")));
        }
        tool
    }

    /// Tells the message that has come so far; the next one begins on a line of its own.
    pub fn end_message(&self) {
        let mut state = self.state();
        let message = state.text.get(state.message..).unwrap_or_default().trim().to_owned();
        if !message.is_empty() {
            state.text.push('\n');
            state.message = state.text.len();
            drop(state);
            self.tell(Event::Text(message));
        }
    }

    /// All that it said, and its last message.
    pub fn text(&self) -> (String, String) {
        let state = self.state();
        let last = state.text.trim_end().rsplit('\n').next().unwrap_or_default().to_owned();
        (state.text.trim().to_owned(), last)
    }

    /// Something was denied to it.
    pub fn deny(&self, what: String) {
        self.state().denied.push(what.clone());
        self.tell(Event::Denied(what));
    }

    /// Something that changes files was granted to it: what was denied before has been put right.
    pub fn grant(&self) {
        self.state().denied.clear();
    }

    /// What was denied and not put right.
    pub fn denied(&self) -> Vec<String> {
        self.state().denied.clone()
    }

    /// Takes the tokens that the answer to a prompt tells of, wherever it does.
    pub fn count(&self, answer: &Value) {
        let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0).min(MOST_COST);
        let sum = |of: &Value, names: &[&str]| names.iter().map(|n| number(of, n)).fold(0, u64::saturating_add);
        let (usage, quota) = (&answer["usage"], &answer["_meta"]["quota"]["token_count"]);
        self.state().tokens = Cost {
            usd_micros: 0,
            input_tokens: sum(usage, &["inputTokens", "cachedReadTokens", "cachedWriteTokens"])
                .max(number(quota, "input_tokens")),
            output_tokens: sum(usage, &["outputTokens", "thoughtTokens"]).max(number(quota, "output_tokens")),
        };
    }

    /// What the call cost: tokens are told for a prompt, US dollars for the whole conversation.
    pub fn cost(&self) -> Cost {
        let state = self.state();
        let usd_micros = Cost { usd_micros: state.usd_micros, ..Cost::default() };
        let usd_micros = Usage { cost: usd_micros, cumulative: true }.delta(state.spent).usd_micros;
        Cost { usd_micros, ..state.tokens }
    }
}

/// The protocol's word for a kind of tool.
fn kind_name(kind: ToolKind) -> String {
    serde_json::to_value(kind).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
