//! Who is asking, found out from any command line, variables and process table.
//!
//! One thing a line:
//!
//! - `NAME=VALUE`: a variable
//! - `agent`, `pid` and `config` with a word: what was given
//! - `inherited`: all processes were started with these variables
//! - `PID PPID SESSION TTY NAME ARGUMENTS…`: a process, the first being the command itself
#![no_main]

use std::collections::BTreeMap;

use git_conductor::error::FailureKind;
use git_conductor::host::agent::{Given, identify, name};
use git_conductor::host::machine::Machine;
use git_conductor::host::process::{Entry, Table};
use git_conductor::host::vars::Vars;
use git_conductor::rules::Me;
use git_conductor_fuzz::is_raw;
use libfuzzer_sys::fuzz_target;

#[derive(Default)]
struct Asked {
    given: Given,
    vars: BTreeMap<String, String>,
    config: Option<String>,
    own: Entry,
    inherited: bool,
    table: Processes,
}

/// A process table, with what each process was started as.
#[derive(Default)]
struct Processes(BTreeMap<i64, (Entry, Vec<String>)>);

fn process(line: &str) -> Option<(Entry, Vec<String>)> {
    let mut words = line.split(' ');
    let mut number = || words.next()?.parse::<i64>().ok();
    let (pid, ppid, session, tty) = (number()?, number()?, number()?, number()?);
    let comm = words.next()?.to_owned();
    let args = words.map(str::to_owned).collect();
    let (start, ended) = (u64::try_from(pid).ok(), comm == "Z");
    Some((Entry { pid, comm, ppid, session, tty, start, ended }, args))
}

impl Asked {
    fn read(text: &str) -> Self {
        let mut asked = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("agent", name)) => asked.given.agent = Some(name.to_owned()),
                Some(("config", name)) => asked.config = Some(name.to_owned()),
                Some(("inherited", _)) => asked.inherited = true,
                Some(("pid", pid)) => asked.given.pid = pid.parse().ok(),
                _ => asked.add(line),
            }
        }
        asked
    }

    fn add(&mut self, line: &str) {
        if let Some((entry, args)) = process(line) {
            if self.table.0.is_empty() {
                self.own = entry.clone();
            }
            self.table.0.insert(entry.pid, (entry, args));
        } else if let Some((name, value)) = line.split_once('=') {
            self.vars.insert(name.to_owned(), value.to_owned());
        }
    }

    fn identify(&self) -> Result<Me, git_conductor::error::Failure> {
        let vars: Vars = self.vars.iter().collect();
        let machine = Machine { node: Some("host".to_owned()), ..Machine::default() };
        identify(&self.given, &vars, &machine, self, |_| self.config.clone(), None)
    }
}

impl Table for Asked {
    fn own(&self) -> Entry {
        self.own.clone()
    }

    fn entry(&self, pid: i64) -> Option<Entry> {
        Some(self.table.0.get(&pid)?.0.clone())
    }

    fn process_of(&self, pid: i64) -> i64 {
        pid
    }

    fn args(&self, pid: i64) -> Vec<String> {
        self.table.0.get(&pid).map(|(_, args)| args.clone()).unwrap_or_default()
    }

    fn vars(&self, _pid: i64) -> Option<Vars> {
        // Each was started with what is set now, or nothing is known of it.
        self.inherited.then(|| self.vars.iter().collect())
    }

    fn pidfd(&self, _pid: i64) -> Option<u64> {
        None
    }

    fn exists(&self, pid: i64) -> Option<bool> {
        (pid > 0).then(|| self.table.0.contains_key(&pid))
    }
}

fuzz_target!(|text: &str| {
    let asked = Asked::read(text);
    let me = match asked.identify() {
        Ok(me) => me,
        Err(failure) => {
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(!failure.to_string().contains(is_raw), "{failure}");
            return;
        }
    };
    assert!(name::check(&me.name, "found out").is_ok(), "{:?}", me.name);
    assert_eq!(asked.identify().ok().as_ref(), Some(&me), "asked twice, the same");
    assert!(!(me.person && me.explicit));
    assert!(me.ancestors.len() <= 64);
    assert!(me.process.is_none() || me.shared.is_none());
    assert!(me.shared.is_none() || (me.stable && me.session.is_some()));
    let named = ["GIT_CONDUCTOR_AGENT", "NANOSTACK_AGENT"];
    let variable = named.iter().any(|name| asked.vars.get(*name).is_some_and(|v| !v.is_empty()));
    let option = asked.given.agent.as_ref().is_some_and(|name| !name.is_empty());
    assert_eq!(me.explicit, option || variable);
    if let Some(process) = me.any_process() {
        assert!(asked.table.0.contains_key(&process.pid), "a process that is not there");
    }
});
