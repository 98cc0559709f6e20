//! What the walk over one machine's boards does not reach: members, rounds, the end of a sprint,
//! and limits.

use super::*;
use crate::record::Token;
use crate::record::ledger::{Pinned, Seen};
use crate::rules::spec;

/// A ledger, and the number of the next nonce.
struct Scene {
    shared: Option<Shared>,
    nonce: u8,
}

fn sprint(phases: &str) -> Begun {
    Begun {
        sprint_id: format!("s-{}", phases.replace([',', ':'], "-")),
        goal: None,
        phases: spec::parse_list(phases).unwrap().into_iter().map(Entry).collect(),
        done: Vec::new(),
    }
}

/// Stands for the hash of a token.
fn token_of(phase: &str) -> String {
    let bytes: Vec<u8> = phase.bytes().chain([0; 16]).take(16).collect();
    Token::from_bytes(bytes.try_into().unwrap()).as_str().to_owned()
}

fn claim(phase: &str) -> Deed {
    let (phase, token) = (phase.to_owned(), token_of(phase));
    Deed::Claim { phase, takeover: false, token, branch: None, commit: None }
}

fn complete(phase: &str, verdict: Verdict) -> Deed {
    Deed::Complete {
        phase: phase.to_owned(),
        verdict,
        artifact: Some(Pinned { name: "a".to_owned(), sha256: "5a".to_owned(), bytes: 1 }),
        commit: None,
        tree: None,
        branch: None,
        dirty: None,
    }
}

fn abort(phase: &str) -> Deed {
    Deed::Abort { phase: phase.to_owned(), reason: "lunch".to_owned() }
}

fn force(phase: &str) -> Deed {
    Deed::Unstuck { phase: phase.to_owned(), force: true, reason: String::new() }
}

fn round(phases: &str, carry: &[&str]) -> Deed {
    let carry = carry.iter().map(|name| (*name).to_owned()).collect();
    let mut sprint = sprint(phases);
    sprint.sprint_id.insert_str(0, "round-");
    Deed::Start { sprint, carry, force: false }
}

impl Scene {
    /// A sprint that `ann` of `laptop` shares, and that `desktop` joins.
    fn new(phases: &str) -> Self {
        let mut scene = Self { shared: None, nonce: 0 };
        let share = Deed::Share {
            ledger: Token::from_bytes([255; 16]),
            name: "laptop".to_owned(),
            sprint: sprint(phases),
        };
        scene.does("laptop/ann", share).unwrap();
        scene.does("desktop/bob", Deed::Join { name: "desktop".to_owned() }).unwrap();
        scene
    }

    /// The event of an agent, whose clone knows its claims by its name.
    fn event(&mut self, who: &str, deed: Deed) -> LedgerEvent {
        self.nonce += 1;
        let (member, agent) = who.split_once('/').unwrap();
        let members = self.shared.as_ref().map(|shared| &shared.members);
        let after = members.and_then(|members| members.get(member)).map(|it| it.last.clone());
        let mine = self.shared.as_ref().zip(deed.phase()).is_some_and(|(shared, phase)| {
            let phase = shared.phase(phase);
            let held = phase.and_then(|phase| phase.held.as_ref()).map(|held| &held.owner);
            let done = phase.and_then(|phase| phase.done.as_ref()).map(|done| &done.by);
            held.or(done).is_some_and(|by| by.member == member && by.agent == agent)
        });
        let by = Agent { member: member.to_owned(), agent: agent.to_owned(), person: false };
        let nonce = Token::from_bytes([self.nonce; 16]);
        let at = jiff::Timestamp::UNIX_EPOCH;
        let seen = Seen { mine, ..Seen::default() };
        LedgerEvent { seen, ..LedgerEvent::new(by, nonce, after, at, deed) }
    }

    fn does(&mut self, who: &str, deed: Deed) -> Result<(), Denied> {
        let event = self.event(who, deed);
        self.shared = Some(apply(self.shared.as_ref(), &event)?);
        Ok(())
    }

    fn board(&self) -> &Shared {
        self.shared.as_ref().unwrap()
    }

    /// `build=ann ship=-`: who holds or did each phase.
    fn states(&self) -> String {
        let state = |phase: &PhaseState| match (&phase.held, &phase.done) {
            (Some(held), _) => format!("{}={}", phase.name, held.owner.agent),
            (None, Some(done)) => format!("{}={}!", phase.name, done.by.agent),
            (None, None) => format!("{}=-", phase.name),
        };
        self.board().board.phases.iter().map(state).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn the_beginning() {
    let mut scene = Scene::new("build:");
    assert_eq!(scene.board().board.seq, 1);
    let share = |scene: &mut Scene| {
        let ledger = Token::from_bytes([254; 16]);
        scene.event("laptop/ann", Deed::Share { ledger, name: String::new(), sprint: sprint("a:") })
    };
    let event = share(&mut scene);
    assert_eq!(apply(scene.shared.as_ref(), &event), Err(Denied::Beginning));
    // Who shares has made no change before.
    assert_eq!(apply(None, &event), Err(Denied::NotNext));
    let event = scene.event("laptop/ann", claim("build"));
    assert_eq!(apply(None, &event), Err(Denied::Beginning));
}

#[test]
fn a_graph_that_means_nothing_begins_nothing() {
    let mut scene = Scene::new("build:");
    let mut begun = sprint("a:,b:a");
    begun.phases[0].0.depends_on = vec!["b".to_owned()];
    let start = Deed::Start { sprint: begun, carry: Vec::new(), force: true };
    assert!(matches!(scene.does("laptop/ann", start), Err(Denied::Graph(_))));
}

#[test]
fn members_come_and_go() {
    let mut scene = Scene::new("build:");
    let join = || Deed::Join { name: "again".to_owned() };
    assert_eq!(scene.does("desktop/bob", join()), Err(Denied::Membership));
    assert_eq!(scene.does("server/cyd", claim("build")), Err(Denied::Membership));
    scene.does("desktop/bob", claim("build")).unwrap();
    let holding = Denied::Holding(vec!["build".to_owned()]);
    assert_eq!(scene.does("desktop/bob", Deed::Leave {}), Err(holding));
    scene.does("desktop/bob", abort("build")).unwrap();
    let late = scene.event("desktop/bob", claim("build"));
    scene.does("desktop/bob", Deed::Leave {}).unwrap();
    // What it sent before it left cannot come in any more, not even once it is back.
    assert_eq!(apply(scene.shared.as_ref(), &late), Err(Denied::Membership));
    scene.does("desktop/bob", join()).unwrap();
    assert_eq!(apply(scene.shared.as_ref(), &late), Err(Denied::NotNext));
}

#[test]
fn of_two_changes_of_a_member_one_can_land() {
    let mut scene = Scene::new("build:,qa:");
    let (first, second) =
        (scene.event("laptop/ann", claim("build")), scene.event("laptop/cyd", claim("qa")));
    let after = apply(scene.shared.as_ref(), &first).unwrap();
    assert_eq!(apply(Some(&after), &second), Err(Denied::NotNext));
    assert_eq!(apply(Some(&after), &first), Err(Denied::NotNext));
}

#[test]
fn rounds() {
    let mut scene = Scene::new("plan:,build:plan,ship:build");
    scene.does("laptop/ann", claim("plan")).unwrap();
    scene.does("laptop/ann", complete("plan", Verdict::Pass)).unwrap();
    scene.does("desktop/bob", claim("build")).unwrap();
    // Another member's claim is live, whatever is said of it.
    let live = Denied::LiveClaims(vec!["build".to_owned()]);
    assert_eq!(scene.does("laptop/ann", round("plan:,build:plan", &["plan"])), Err(live.clone()));
    let mut event = scene.event("laptop/ann", Deed::Archive { force: false });
    event.over = vec!["build".to_owned()];
    assert_eq!(apply(scene.shared.as_ref(), &event), Err(live));
    scene.does("desktop/bob", complete("build", Verdict::Fail)).unwrap();
    // Who took no part cannot put another in its place.
    let stranger = scene.does("desktop/eve", round("plan:", &["plan"]));
    assert_eq!(stranger, Err(Denied::Underway));
    for (carry, lacks) in [("build", "build"), ("ship", "ship"), ("deploy", "deploy")] {
        let denied =
            scene.does("laptop/ann", round("plan:,build:plan,ship:build", &["plan", carry]));
        assert_eq!(denied, Err(Denied::CannotCarry(lacks.to_owned())), "{carry}");
    }
    scene.does("laptop/ann", round("plan:,build:plan", &["plan"])).unwrap();
    assert_eq!(scene.states(), "plan=ann! build=-");
    // What passed is not carried without what it builds on.
    let mut other = Scene::new("plan:,build:plan");
    for phase in ["plan", "build"] {
        other.does("laptop/ann", claim(phase)).unwrap();
        other.does("laptop/ann", complete(phase, Verdict::Pass)).unwrap();
    }
    let lacks = other.does("laptop/ann", round("plan:,build:plan", &["build"]));
    assert_eq!(lacks, Err(Denied::CannotCarry("build".to_owned())));
    let before = "s-plan--build-plan-ship-build";
    assert_eq!(scene.board().board.from.as_deref(), Some(before));
    let done = scene.board().phase("plan").unwrap().done.as_ref().unwrap();
    assert_eq!(done.carried_from.as_deref(), Some(before));
}

#[test]
fn the_end() {
    let mut scene = Scene::new("build:");
    scene.does("laptop/ann", claim("build")).unwrap();
    let mut event = scene.event("laptop/ann", Deed::Archive { force: false });
    event.over = vec!["build".to_owned()];
    scene.shared = Some(apply(scene.shared.as_ref(), &event).unwrap());
    for deed in [claim("build"), complete("build", Verdict::Pass), abort("build"), force("build")] {
        assert_eq!(scene.does("laptop/ann", deed), Err(Denied::Archived));
    }
    let again = Deed::Archive { force: true };
    assert_eq!(scene.does("laptop/ann", again), Err(Denied::Archived));
    // Nobody holds anything any more.
    scene.does("laptop/ann", Deed::Leave {}).unwrap();
    scene.does("desktop/eve", round("build:,qa:", &[])).unwrap();
    assert_eq!(scene.states(), "build=- qa=-");
}

#[test]
fn a_token_is_the_owners_from_anywhere() {
    let mut scene = Scene::new("build:");
    scene.does("laptop/ann", claim("build")).unwrap();
    let mut event = scene.event("desktop/ann", complete("build", Verdict::Pass));
    assert_eq!(apply(scene.shared.as_ref(), &event), Err(Denial::NotOwner.into()));
    event.seen.mine = true;
    assert_eq!(apply(scene.shared.as_ref(), &event), Err(Denial::NotOwner.into()));
    event.shown = Some(token_of("build"));
    let done = apply(scene.shared.as_ref(), &event).unwrap();
    // Claimed again with the token, it is the other member's from then on, and nothing has failed.
    event.deed = claim("build");
    scene.shared = Some(apply(scene.shared.as_ref(), &event).unwrap());
    let build = scene.board().phase("build").unwrap();
    assert_eq!(build.held.as_ref().unwrap().owner.member, "desktop");
    assert_eq!((build.generation, build.past.len()), (2, 0));
    scene.shared = Some(done);
    assert_eq!(scene.states(), "build=ann!");
}

#[test]
fn what_no_program_of_ours_writes_is_refused() {
    let mut scene = Scene::new("build:");
    let good = scene.event("laptop/ann", abort("build"));
    let long = "x".repeat(5000);
    for member in ["", "..", ".git", "a/b", "a\nb", &long] {
        let mut event = good.clone();
        event.by.member = member.to_owned();
        event.deed = Deed::Join { name: "x".to_owned() };
        event.after = None;
        assert_eq!(apply(scene.shared.as_ref(), &event), Err(Denied::Malformed), "{member}");
    }
    let bad = |change: &dyn Fn(&mut LedgerEvent)| {
        let mut event = good.clone();
        change(&mut event);
        assert_eq!(apply(scene.shared.as_ref(), &event), Err(Denied::Malformed), "{event:?}");
    };
    bad(&|event| event.by.agent = "a\u{1b}[2J".to_owned());
    bad(&|event| event.by.agent.clone_from(&long));
    // Nobody could be held to be its author.
    bad(&|event| event.by.agent.clear());
    bad(&|event| event.deed = Deed::Abort { phase: "build".to_owned(), reason: long.clone() });
    bad(&|event| {
        event.deed = claim("build");
        if let Deed::Claim { token, .. } = &mut event.deed {
            *token = "no hash".to_owned();
        }
    });
    // Completions of another's making begin no sprint.
    let done = Completion {
        by: Agent { member: "laptop".to_owned(), agent: "bob".to_owned(), person: false },
        token: String::new(),
        completed_at: jiff::Timestamp::UNIX_EPOCH,
        verdict: Verdict::Pass,
        artifact: None,
        commit: None,
        tree: None,
        branch: None,
        dirty: None,
        carried_from: None,
    };
    let begun = Begun { done: vec![("build".to_owned(), done)], ..sprint("build:,qa:") };
    bad(&|event| {
        let (sprint, carry) = (begun.clone(), Vec::new());
        event.deed = Deed::Start { sprint, carry, force: true };
    });
    // Nor does one that is there already.
    bad(&|event| {
        let sprint = sprint("build:");
        event.deed = Deed::Start { sprint, carry: Vec::new(), force: true };
    });
    let shares = |begun: Begun| {
        let mut event = good.clone();
        let (ledger, name) = (Token::from_bytes([254; 16]), String::new());
        (event.after, event.deed) = (None, Deed::Share { ledger, name, sprint: begun });
        apply(None, &event)
    };
    assert!(shares(begun.clone()).is_ok());
    let mut twice = begun.clone();
    twice.done.push(begun.done[0].clone());
    assert_eq!(shares(twice), Err(Denied::CannotCarry("build".to_owned())));
    let mut strange = begun.clone();
    strange.done[0].0 = "deploy".to_owned();
    assert_eq!(shares(strange), Err(Denied::CannotCarry("deploy".to_owned())));
    let mut nobodys = begun.clone();
    nobodys.done[0].1.by.agent.clear();
    assert_eq!(shares(nobodys), Err(Denied::Malformed));
    let mut theirs = begun;
    theirs.done[0].1.by.member = "desktop".to_owned();
    assert_eq!(shares(theirs), Err(Denied::Malformed));
}

#[test]
fn what_is_no_board_is_not_sound() {
    let scene = Scene::new("build:,qa:");
    let sound = |change: &dyn Fn(&mut Shared)| {
        let mut shared = scene.board().clone();
        change(&mut shared);
        shared.is_sound()
    };
    assert!(sound(&|_| ()));
    assert!(!sound(&|shared| shared.board.phases.truncate(1)));
    assert!(!sound(&|shared| shared.board.phases[1].name = "build".to_owned()));
    assert!(!sound(&|shared| shared.graph[1].name = "build".to_owned()));
    assert!(!sound(&|shared| shared.board.sprint_id = "../x".to_owned()));
}

#[test]
fn later_rules_are_only_read() {
    let mut scene = Scene::new("build:");
    scene.shared.as_mut().unwrap().board.rules = RULES + 1;
    assert_eq!(scene.does("laptop/ann", claim("build")), Err(Denied::Newer(RULES + 1)));
}

#[test]
fn attempts_have_no_end() {
    let mut scene = Scene::new("build:");
    for _ in 0..MAX_PAST + 2 {
        scene.nonce = 1 + scene.nonce % 200;
        scene.does("laptop/ann", claim("build")).unwrap();
        scene.does("laptop/ann", abort("build")).unwrap();
    }
    assert_eq!(scene.board().phase("build").unwrap().past.len(), MAX_PAST);
}

#[test]
fn what_is_written_is_read() {
    let mut scene = Scene::new("build:");
    for deed in [claim("build"), complete("build", Verdict::Pass), abort("build"), Deed::Vouch {}] {
        let event = scene.event("laptop/ann", deed);
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<LedgerEvent>(&text).unwrap(), event, "{text}");
    }
    let event = scene.event("laptop/ann", abort("build"));
    let expected = "{\"v\":1,\"nonce\":\"07070707070707070707070707070707\",\"member\":\"laptop\",\
        \"agent\":\"ann\",\"after\":{\"count\":1,\"nonce\":\"01010101010101010101010101010101\"},\
        \"at\":\"1970-01-01T00:00:00Z\",\"event\":\"abort\",\"phase\":\"build\",\
        \"reason\":\"lunch\"}";
    assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    let board = serde_json::to_string(&scene.board().board).unwrap();
    assert_eq!(serde_json::from_str::<LedgerBoard>(&board).unwrap(), scene.board().board);
}
