//! A directory that only exists for a rehearsal: an LDAP server in this process, at the other end of
//! a pipe. The driver speaks to it as to any other, and everything that it asks is taken note of;
//! nothing goes to a real directory but, where that is wanted, questions.
//!
//! It knows a handful of entries: those that it was given; where it was given none, one that is made
//! up for every id that is looked for; or those of the real directory. Writes change that handful in
//! memory, so that what is read after them is what a directory would say.

mod heard;
mod invent;
mod matching;
mod said;
mod tree;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::Mutex;

use super::code::Code;
use super::control::{self, Control};
use super::failure::LdapError;
use super::pool::Pool;
use super::request::{Attribute, PASSWORD_MODIFY, Request, Scope, Search, Write};
use super::response::Entry;
use super::schema::Schema;
use crate::ldap::ber::{self, Reader};
use crate::ldap::dn::Dn;
use crate::ldap::filter::Filter;
use crate::ldap::layout::{Home, Layout};

use matching::is_equal;
use tree::{Known, Tree};

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

/// What was asked of the directory.
#[derive(Debug, Clone)]
pub struct Act {
    /// In words: what it is good for.
    pub what: String,
    /// Itself.
    pub deed: Deed,
    /// How it ended.
    pub code: Code,
}

/// An operation.
#[derive(Debug, Clone)]
pub enum Deed {
    /// A question, and how many entries answer it.
    Search(Search, usize),
    /// Whether an entry has a value.
    Compare(Dn, Arc<str>, Bytes),
    /// A change, with what goes beside it.
    Write(Write, Vec<Control>),
    /// A password by RFC 3062: of whom, and how many characters it has.
    Password(String, usize),
    /// Something else, by its oid.
    Extended(&'static str),
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

impl Act {
    /// Whether it was done, or answered.
    #[must_use]
    pub fn code_is_fine(&self) -> bool {
        match self.code {
            Code::SUCCESS => true,
            Code::COMPARE_TRUE | Code::COMPARE_FALSE => matches!(self.deed, Deed::Compare(..)),
            _ => false,
        }
    }
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
                let done = self.write(&mut stage, &write, controls, &mut beside).await;
                let code = done.err().unwrap_or(Code::SUCCESS);
                let what = purpose_of(&write).to_owned();
                stage.note(what, Deed::Write(write, controls.to_vec()), code);
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

    async fn compare(&self, stage: &mut Stage, dn: &Dn, name: &str, value: &[u8]) -> Code {
        self.load(stage, dn).await;
        match stage.tree.get(dn) {
            None => Code::NO_SUCH_OBJECT,
            Some(known) => {
                let own = known.entry.values(name);
                match own.iter().any(|own| is_equal(own, value)) {
                    true => Code::COMPARE_TRUE,
                    false => Code::COMPARE_FALSE,
                }
            }
        }
    }

    /// Does a change in memory, as a server would, and tells of the entry what is asked.
    async fn write(
        &self,
        stage: &mut Stage,
        write: &Write,
        controls: &[Control],
        beside: &mut Vec<Control>,
    ) -> Result<(), Code> {
        let dn = write.dn();
        self.load(stage, dn).await;
        self.surroundings(stage, write).await?;
        let with = |oid: &str| controls.iter().find(|control| control.oid == oid);
        if let Some(assertion) = with(control::ASSERTION) {
            let known = stage.tree.get(dn).ok_or(Code::NO_SUCH_OBJECT)?;
            let value = assertion.value.as_deref().unwrap_or_default();
            let filter = heard::filter(&mut Reader::new(value), 0);
            let filter = filter.map_err(|_| Code::PROTOCOL_ERROR)?;
            if !known.candidate().fits(&filter) {
                return Err(Code::ASSERTION_FAILED);
            }
        }
        if self.layout.keeps_unique {
            self.unique(stage, write).await?;
        }
        let schema = stage.schema.take();
        let lacks = |entry: &Entry| self.lacks(entry, schema.as_ref());
        let permissive = with(control::PERMISSIVE).is_some();
        let done = stage.tree.apply(write, permissive, lacks);
        stage.schema = schema;
        done?;
        let now = place(write);
        self.keep(stage, write, &now);
        if let Some(asked) = with(control::POST_READ)
            && let Some(known) = stage.tree.get(&now)
        {
            let names = listed(asked);
            let entry = known.candidate().told(&names);
            beside.push(said::read(control::POST_READ, &entry));
        }
        Ok(())
    }

    /// Fetches an entry of the real directory, unless it is known.
    async fn load(&self, stage: &mut Stage, dn: &Dn) {
        let Some(real) = self.real.as_ref().filter(|_| !stage.tree.decides(dn)) else {
            return;
        };
        if stage.schema.is_none() {
            let deadline = Instant::now() + PATIENCE;
            stage.schema = Some(real.schema(deadline).await.unwrap_or_default());
        }
        let own = self.layout.types.iter().flat_map(|home| {
            let names = home
                .attributes
                .iter()
                .map(|attribute| attribute.name.as_str());
            names.chain([home.id.as_str()])
        });
        let search = Search {
            attributes: invent::names(["*", "+"].into_iter().chain(own)),
            ..Search::entry(dn.clone(), &[])
        };
        let (entries, _) = asked(real, search, &mut stage.failure).await;
        for entry in entries {
            // Active Directory gives a part of very many values only.
            let entry = match real.whole(entry, Instant::now() + PATIENCE).await {
                Ok(entry) => entry,
                Err(error) => {
                    stage.failure = Some(error.to_string());
                    continue;
                }
            };
            stage.tree.put(Known {
                dn: dn.clone(),
                entry,
                made_up: false,
            });
        }
    }

    /// What a change meets in the real directory beside the entry itself.
    async fn surroundings(&self, stage: &mut Stage, write: &Write) -> Result<(), Code> {
        let Some(real) = &self.real else {
            return Ok(());
        };
        let above = match write {
            Write::Add { dn, .. } => dn.parent(),
            Write::Rename { above, .. } => {
                self.load(stage, &place(write)).await;
                above.clone()
            }
            Write::Delete { dn } => {
                let below = Search {
                    scope: Scope::One,
                    size_limit: 1,
                    ..Search::entry(dn.clone(), &[])
                };
                let (entries, _) = asked(real, below, &mut stage.failure).await;
                let lives = |entry: &Entry| {
                    let dn = entry.dn.parse::<Dn>();
                    dn.is_ok_and(|dn| !stage.tree.decides(&dn))
                };
                if entries.iter().any(lives) {
                    return Err(Code::NOT_ALLOWED_ON_NON_LEAF);
                }
                None
            }
            Write::Modify { .. } => None,
        };
        if let Some(above) = above.filter(|above| !stage.tree.decides(above)) {
            let search = Search::entry(above, &[]);
            let (entries, _) = asked(real, search, &mut stage.failure).await;
            if entries.is_empty() {
                return Err(Code::NO_SUCH_OBJECT);
            }
        }
        Ok(())
    }

    /// Refuses a second entry with a value that must be unique, as the server is said to.
    async fn unique(&self, stage: &mut Stage, write: &Write) -> Result<(), Code> {
        let new: Vec<&Attribute> = match write {
            Write::Add { attributes, .. } => attributes.iter().collect(),
            Write::Modify { changes, .. } => changes.iter().map(|c| &c.attribute).collect(),
            Write::Delete { .. } | Write::Rename { .. } => return Ok(()),
        };
        let dn = write.dn();
        let homes = self.layout.types.iter();
        for home in homes.filter(|home| dn.is_within(&home.base)) {
            let is_unique = |name: &str| {
                home.attribute(name)
                    .is_some_and(|attribute| attribute.unique)
            };
            for attribute in new.iter().filter(|attribute| is_unique(&attribute.name)) {
                for value in &attribute.values {
                    let own = Filter::equal(Arc::clone(&attribute.name), value.clone());
                    let filter = home.filter.clone().and(own);
                    let search = Search::below(home.base.clone(), filter, &[]);
                    let (found, _) = self.search(stage, &search, false).await?;
                    let other = |entry: &Entry| {
                        let other = entry.dn.parse::<Dn>();
                        other.is_ok_and(|other| !other.is_same(dn))
                    };
                    // An entry of that very name is refused as such.
                    if found.iter().any(other) {
                        return Err(Code::CONSTRAINT_VIOLATION);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether an entry lacks what its class wants, as far as that is known.
    fn lacks(&self, entry: &Entry, schema: Option<&Schema>) -> bool {
        use crate::ldap::layout::Flavor;
        let classes = entry.values("objectClass").iter();
        let classes: Vec<&str> = classes
            .filter_map(|class| std::str::from_utf8(class).ok())
            .collect();
        if let Some(schema) = schema.filter(|schema| !schema.is_empty()) {
            let required = schema.required(&classes);
            return required.iter().any(|name| {
                let mut has = entry.attributes.iter().filter(|one| !one.values.is_empty());
                !has.any(|one| schema.is_same(&one.name, name))
            });
        }
        let wants = [
            ("groupOfNames", "member"),
            ("groupOfUniqueNames", "uniqueMember"),
        ];
        self.layout.flavor == Flavor::OpenLdap
            && wants.iter().any(|(class, attribute)| {
                classes.iter().any(|own| own.eq_ignore_ascii_case(class))
                    && entry.values(attribute).is_empty()
            })
    }

    /// What a server itself sets of an entry that was made or changed.
    fn keep(&self, stage: &mut Stage, write: &Write, now: &Dn) {
        let is_new = matches!(write, Write::Add { .. });
        let changes = stage.tree.changes();
        let flavor = self.layout.flavor;
        let mut set = |name: &str, value: Bytes| stage.tree.keep(now, name, vec![value]);
        invent::stamp(flavor, changes, &mut set, is_new);
        if !is_new {
            return;
        }
        for home in self
            .layout
            .types
            .iter()
            .filter(|home| now.is_under(&home.base))
        {
            if let Some(id) = invent::id(home.id_form, changes) {
                set(home.id.as_str(), id);
            }
            // Active Directory finds it by itself.
            if let Some(category) = invent::category(home, flavor) {
                set("objectCategory", category);
            }
        }
    }

    /// Whether a search is about the server, not about what it holds.
    fn is_about_server(&self, search: &Search) -> bool {
        let names = ["attributeTypes", "objectClasses"];
        let of_schema = |name: &Arc<str>| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        search.scope == Scope::Base
            && (search.base.is_root() || search.attributes.iter().any(of_schema))
    }

    /// What a search is good for.
    fn purpose(&self, search: &Search) -> String {
        if search.scope == Scope::Base {
            return match invent::counter(&self.layout, &search.base) {
                Some(_) => "reads a counter".to_owned(),
                None => "reads an entry".to_owned(),
            };
        }
        match invent::sought(&self.layout, search) {
            Some((home, ids)) => match ids.len() {
                0 => format!("looks among the {}s", home.resource),
                1 => format!("looks for a {} by its id", home.resource),
                _ => format!("looks for {}s by their ids", home.resource),
            },
            None => {
                let is = |home: &&Home| home.base.is_same(&search.base);
                let home = self.layout.types.iter().find(is);
                home.map_or_else(
                    || "looks for entries".to_owned(),
                    |home| format!("looks among the {}s", home.resource),
                )
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

/// What a control says, for people.
#[must_use]
pub fn in_words(control: &Control) -> Option<String> {
    match &*control.oid {
        control::ASSERTION => {
            let value = control.value.as_deref().unwrap_or_default();
            let filter = heard::filter(&mut Reader::new(value), 0).ok()?;
            Some(format!("only if the entry fits {filter}"))
        }
        control::PERMISSIVE => {
            Some("what is there already, or gone already, is no error".to_owned())
        }
        control::POST_READ => Some(format!("tells afterwards: {}", listed(control).join(" "))),
        _ => None,
    }
}

/// What a change is good for.
fn purpose_of(write: &Write) -> &'static str {
    match write {
        Write::Add { .. } => "makes an entry",
        Write::Modify { .. } => "changes an entry",
        Write::Delete { .. } => "removes an entry",
        Write::Rename { above: Some(_), .. } => "moves an entry",
        Write::Rename { above: None, .. } => "renames an entry",
    }
}

/// The name that the entry of a write has after it.
fn place(write: &Write) -> Dn {
    match write {
        Write::Rename { dn, rdn, above, .. } => {
            let above = above.clone().or_else(|| dn.parent()).unwrap_or_default();
            above.below(rdn.clone())
        }
        other => other.dn().clone(),
    }
}

/// The names of attributes in the value of a control.
fn listed(control: &Control) -> Vec<Arc<str>> {
    let value = control.value.as_deref().unwrap_or_default();
    let mut names = Vec::new();
    if let Ok(mut list) = Reader::new(value).nested(ber::SEQUENCE) {
        while let Ok(name) = list.text(ber::OCTETS) {
            names.push(name.into());
        }
    }
    names
}

/// Whose password is set, and how many characters it has.
fn password(value: &[u8]) -> Option<(String, usize)> {
    let mut reader = Reader::new(value).nested(ber::SEQUENCE).ok()?;
    let of = reader.text(0x80).ok()?.to_owned();
    Some((of, reader.text(0x82).ok()?.chars().count()))
}

/// What a real directory answers to a search, and how that ended.
async fn asked(
    real: &Arc<Pool>,
    search: Search,
    failure: &mut Option<String>,
) -> (Vec<Entry>, Code) {
    let mut found = real.search(search, &[], Instant::now() + PATIENCE);
    let mut entries = Vec::new();
    loop {
        match found.next().await {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => return (entries, Code::SUCCESS),
            Err(LdapError::Refused(result)) => return (entries, result.code),
            Err(error) => {
                *failure = Some(error.to_string());
                return (entries, Code::UNAVAILABLE);
            }
        }
    }
}

/// The largest message.
const MOST: usize = 64 << 20;
/// How long the real directory may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many entries are made up of one type.
const MOST_NAMES: usize = 10_000;

#[cfg(test)]
mod tests;
