//! A directory that only exists for a rehearsal: an LDAP server in this process, at the other end of
//! a pipe. The driver speaks to it as to any other, and everything that it asks is taken note of;
//! nothing goes to a real directory but, where that is wanted, questions.
//!
//! It knows a handful of entries: those that it was given; where it was given none, one that is made
//! up for every id that is looked for; or those of the real directory. Writes change that handful in
//! memory, so that what is read after them is what a directory would say.

mod act;
mod change;
mod heard;
mod invent;
mod matching;
mod real;
mod said;
mod tree;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::Mutex;

use super::code::Code;
use super::control::Control;
use super::pool::Pool;
use super::request::{PASSWORD_MODIFY, Request, Scope, Search};
use super::response::Entry;
use super::schema::Schema;
use crate::ldap::ber;
use crate::ldap::dn::Dn;
use crate::ldap::filter::Filter;
use crate::ldap::layout::Layout;

use act::{password, purpose_of};
use real::asked;
use tree::{Known, Tree};

pub use act::{Act, Deed, in_words};

/// What a rehearsal knows at its beginning.
#[derive(Debug, Clone)]
pub enum Scene {
    /// Nothing: an entry is made up for every id that is looked for.
    MadeUp,
    /// These entries, and no others.
    Given(Vec<Entry>),
    /// What the real directory says. It is only ever asked.
    Real,
}

/// A server for one rehearsal.
pub struct Rehearsal {
    layout: Layout,
    made_up: bool,
    real: Option<Arc<Pool>>,
    stage: Mutex<Stage>,
}

#[derive(Default)]
struct Stage {
    tree: Tree,
    acts: Vec<Act>,
    /// The names of the entries that were made up.
    made_up: Vec<String>,
    /// What the real directory says of its own schema.
    schema: Option<Schema>,
    /// What the real directory was last unable to say.
    failure: Option<String>,
}

impl Rehearsal {
    /// A server of the kind that the rule is written for. `real` is only asked, and only in
    /// [`Scene::Real`].
    pub(super) fn new(layout: Layout, scene: Scene, real: Arc<Pool>) -> Arc<Self> {
        let mut tree = Tree::new(layout.flavor);
        let made_up = matches!(scene, Scene::MadeUp);
        let real = matches!(scene, Scene::Real).then_some(real);
        if let Scene::Given(entries) = scene {
            for entry in entries {
                if let Ok(dn) = entry.dn.parse() {
                    tree.put(Known {
                        dn,
                        entry,
                        made_up: false,
                    });
                }
            }
        }
        Arc::new(Self {
            layout,
            made_up,
            real,
            stage: Mutex::new(Stage {
                tree,
                ..Stage::default()
            }),
        })
    }

    /// Everything that was asked, in order.
    pub async fn acts(&self) -> Vec<Act> {
        self.stage.lock().await.acts.clone()
    }

    /// The names of the entries that were made up.
    pub async fn made_up(&self) -> Vec<String> {
        self.stage.lock().await.made_up.clone()
    }

    /// Why the real directory could not be asked, where that is so.
    pub async fn failure(&self) -> Option<String> {
        self.stage.lock().await.failure.clone()
    }

    /// Whether values of an attribute are secrets by the rule.
    #[must_use]
    pub fn is_secret(&self, name: &str) -> bool {
        let mut attributes = self.layout.types.iter().flat_map(|home| &home.attributes);
        attributes.any(|attribute| attribute.secret.is_some() && attribute.name.is(name))
    }

    /// For each type what its ids look like.
    pub fn ids(&self) -> impl Iterator<Item = (String, &'static str)> {
        let types = self.layout.types.iter();
        types.map(|home| (home.resource.to_string(), invent::example(home.id_form)))
    }

    /// Answers a client until it goes. Boxed, since a rehearsal may itself ask over a connection.
    pub(super) fn serve(self: Arc<Self>, stream: DuplexStream) -> Serving {
        Box::pin(self.served(stream))
    }

    async fn served(self: Arc<Self>, mut stream: DuplexStream) {
        let mut input = BytesMut::new();
        loop {
            match ber::message_length(&input, MOST) {
                Ok(Some(length)) if input.len() >= length => {
                    let frame = input.split_to(length).freeze();
                    // Whoever speaks no LDAP is not answered: there is only our own client.
                    let Ok((id, request, controls)) = heard::heard(&frame) else {
                        return;
                    };
                    let Some(answer) = self.answer(id, request, &controls).await else {
                        continue;
                    };
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
                Ok(_) => match stream.read_buf(&mut input).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                },
                Err(_) => return,
            }
        }
    }

    /// The messages that answer a request; `None` where nothing does.
    async fn answer(&self, id: i32, request: Request, controls: &[Control]) -> Option<Vec<u8>> {
        let tag = request.answered_by()?;
        let mut stage = self.stage.lock().await;
        let mut out = Vec::new();
        let mut beside = Vec::new();
        let code = match request {
            Request::BindSimple { .. } | Request::BindExternal => Code::SUCCESS,
            Request::Search(search) => {
                let found = self.search(&mut stage, &search, true).await;
                let (entries, mut code) = found.unwrap_or_else(|code| (Vec::new(), code));
                let most = usize::try_from(search.size_limit).unwrap_or(usize::MAX);
                let told = if most == 0 { entries.len() } else { most };
                if entries.len() > told {
                    code = Code::SIZE_LIMIT_EXCEEDED;
                }
                for entry in entries.iter().take(told) {
                    out.extend(said::entry(id, entry));
                }
                if said::is_paged(controls) {
                    beside.push(said::last_page());
                }
                // What every connection begins with is not part of any request.
                if !self.is_about_server(&search) {
                    let what = self.purpose(&search);
                    let deed = Deed::Search(search, entries.len().min(told));
                    stage.note(what, deed, code);
                }
                code
            }
            Request::Compare {
                dn,
                attribute,
                value,
            } => {
                let code = self.compare(&mut stage, &dn, &attribute, &value).await;
                let deed = Deed::Compare(dn, attribute, value);
                stage.note("looks whether a value is there".to_owned(), deed, code);
                code
            }
            Request::Write(write) => {
                self.load(&mut stage, write.dn()).await;
                let first = stage.decisive(&write);
                let done = self.write(&mut stage, &write, controls, &mut beside).await;
                let code = done.err().unwrap_or(Code::SUCCESS);
                let what = purpose_of(&write).to_owned();
                let mut controls = controls.to_vec();
                controls.sort_by_key(|control| control.oid != first);
                stage.note(what, Deed::Write(write, controls), code);
                code
            }
            Request::Extended { oid, value } if oid == PASSWORD_MODIFY => {
                let (of, length) = value.as_deref().and_then(password).unwrap_or_default();
                let deed = Deed::Password(of, length);
                stage.note("sets a password".to_owned(), deed, Code::SUCCESS);
                Code::SUCCESS
            }
            Request::Extended { oid, .. } => {
                let what = "asks for what is beyond the protocol".to_owned();
                stage.note(what, Deed::Extended(oid), Code::PROTOCOL_ERROR);
                Code::PROTOCOL_ERROR
            }
            Request::Unbind | Request::Abandon(_) => return None,
        };
        out.extend(said::done(id, tag, (code, ""), &beside));
        Some(out)
    }

    /// The entries that a search finds, with what is told of them. `first` may make some up.
    async fn search(
        &self,
        stage: &mut Stage,
        search: &Search,
        first: bool,
    ) -> Result<(Vec<Entry>, Code), Code> {
        let mut code = Code::SUCCESS;
        let mut found = Vec::new();
        if let Some(real) = &self.real {
            let (entries, ended) = asked(real, search.clone(), &mut stage.failure).await;
            code = ended;
            for entry in entries {
                let dn = entry.dn.parse::<Dn>();
                if dn.is_ok_and(|dn| !stage.tree.decides(&dn)) {
                    found.push(entry);
                }
            }
        } else if search.base.is_root() && search.scope == Scope::Base {
            return Ok((vec![invent::root(self.layout.flavor)], code));
        } else if first {
            self.invent(stage, search);
        }
        let local = stage.tree.find(&search.base, search.scope, &search.filter);
        found.extend(local.map(|known| known.candidate().told(&search.attributes)));
        let base_is_there = stage.tree.get(&search.base).is_some();
        if search.scope == Scope::Base {
            // It is there and does not fit, or it is gone, or was never there.
            code = match (base_is_there, self.real.is_some()) {
                (true, _) => Code::SUCCESS,
                (false, true) if !stage.tree.decides(&search.base) => code,
                (false, _) => Code::NO_SUCH_OBJECT,
            };
        }
        Ok((found, code))
    }

    /// Makes up what a search looks for, where nothing better is known.
    fn invent(&self, stage: &mut Stage, search: &Search) {
        if search.scope == Scope::Base {
            if stage.tree.get(&search.base).is_none()
                && let Some(counter) = invent::counter(&self.layout, &search.base)
            {
                stage.made_up.push(counter.entry.dn.clone());
                stage.tree.put(counter);
            }
            return;
        }
        if !self.made_up {
            return;
        }
        let Some((home, ids)) = invent::sought(&self.layout, search) else {
            return;
        };
        for id in ids {
            let own = Filter::equal(home.id.as_str(), id.clone());
            if stage
                .tree
                .find(&Dn::root(), Scope::Sub, &own)
                .next()
                .is_some()
            {
                continue;
            }
            let names = (1..MOST_NAMES).filter_map(|n| invent::someone(&self.layout, home, &id, n));
            let mut free = names.filter(|known| !stage.tree.decides(&known.dn));
            if let Some(known) = free.next() {
                stage.made_up.push(known.entry.dn.clone());
                stage.tree.put(known);
            }
        }
    }
}

/// The future of a server.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Stage {
    fn note(&mut self, what: String, deed: Deed, code: Code) {
        self.acts.push(Act { what, deed, code });
    }
}

/// Two are the same only where they are one.
impl PartialEq for Rehearsal {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Rehearsal {}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rehearsal")
    }
}

/// The largest message.
const MOST: usize = 64 << 20;
/// So many entries are made up of one type.
const MOST_NAMES: usize = 10_000;

#[cfg(test)]
mod tests;
