//! What transfers cost, as a table that is kept: a change of policy shows as a change of lines.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use sans3_core::pace::Concurrency;
use sans3_testkit::schedule::{
    Job, Network, Report, Scenario, Storm, Table, amount, bytes, part_size,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TB: u64 = 1_000_000_000_000;

const HEAD: &str = "\
What transfers cost, by size, part size, latency, loss and load of the server: real sessions against
a model of S3 in virtual time. Payload is scaled: one simulated byte stands for many, as each group
says. The network is a fluid that bodies share fairly, without slow start.

part      the first range or part; `auto` where the core chooses it
conns     the most exchanges at once; `~64` for as many as serve, up to 64
loss      exchanges that break off, in mid-body or without an answer
again     bytes of the object that crossed the network more than once
net%      goodput in parts of what network and connections could carry
busy%     exchanges under way, on average, in parts of the concurrency (of the most, where it is found)
peak      the most exchanges at once
held      the most bytes that waited for their turn, their consumer or their upload

Where this differs after a change that was meant: SANS3_UPDATE=1 cargo test -p sans3-testkit --test schedule";

/// The seconds from which, and to which, the server is overloaded in a storm.
const FROM: usize = 5;
const TO: usize = 10;

/// Ten gigabits a second, the network of most groups.
const USUAL: &str = "30 ms, 90 MB/s a connection, 10 Gbit/s in all";

#[test]
fn what_transfers_cost_is_as_it_was() {
    const GROUPS: [fn(&mut Table); 12] = [
        sizes, latency, loss, stragglers, in_order, streams, fast, huge, storms, adaptive, limits,
        hedges,
    ];
    // Side by side, since none needs another.
    let groups = std::thread::scope(|scope| {
        let begin = |fill: fn(&mut Table)| {
            scope.spawn(move || {
                let mut group = Table::default();
                fill(&mut group);
                group
            })
        };
        let running = GROUPS.map(begin);
        running.map(|group| group.join().unwrap())
    });
    let mut table = Table::new(HEAD);
    groups.iter().for_each(|group| table.append(group));
    compare(table.text());
}

fn sizes(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB; {USUAL}.");
    table.group("How do parts follow the size?", &remark);
    for (job, size) in [
        (Job::Get, MIB),
        (Job::Get, 100 * MIB),
        (Job::Get, GIB),
        (Job::Get, 10 * GIB),
        (Job::Put, MIB),
        (Job::Put, 8 * MIB),
        (Job::Put, 100 * MIB),
        (Job::Put, 10 * GIB),
        (Job::Put, 100 * GIB),
        (Job::PutStream, 8 * MIB),
        (Job::PutStream, 100 * MIB),
        (Job::PutStream, 10 * GIB),
        (Job::PutStream, 100 * GIB),
    ] {
        table.run(&Scenario::new(job, size), "");
    }
}

fn latency(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB (1 KiB for small objects); {USUAL}.");
    table.group("What does latency cost?", &remark);
    for (job, part_size) in [
        (Job::Get, None),
        (Job::Get, Some(64 * MIB)),
        (Job::Put, None),
    ] {
        for millis in [1, 30, 200] {
            let mut scenario = Scenario::new(job, 4 * GIB);
            scenario.part_size = part_size;
            scenario.network.latency = Duration::from_millis(millis);
            table.run(&scenario, "");
        }
    }
    for (job, millis) in [(Job::Get, 30), (Job::GetListed, 30), (Job::Put, 30)] {
        let mut scenario = Scenario::new(job, 100 * KIB);
        scenario.objects = 200;
        scenario.scale = KIB;
        scenario.network.latency = Duration::from_millis(millis);
        table.run(&scenario, "");
    }
}

fn loss(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB; {USUAL}.");
    table.group("What does loss cost?", &remark);
    for (job, part_size, concurrency, loss) in [
        (Job::Get, None, 16, 10),
        (Job::Get, None, 16, 100),
        (Job::Get, None, 16, 1_000),
        (Job::Get, None, 16, 2_000),
        (Job::Get, None, 16, 3_000),
        (Job::Get, Some(64 * MIB), 16, 1_000),
        (Job::Get, Some(64 * MIB), 16, 3_000),
        (Job::Get, None, 64, 1_000),
        (Job::Get, None, 250, 1_000),
        (Job::Get, None, 250, 2_000),
        (Job::Put, None, 16, 10),
        (Job::Put, None, 16, 100),
        (Job::Put, None, 16, 1_000),
        (Job::Put, None, 16, 2_000),
    ] {
        let mut scenario = Scenario::new(job, 10 * GIB);
        (scenario.part_size, scenario.loss) = (part_size, loss);
        scenario.concurrency = fixed(concurrency);
        scenario.memory = GIB;
        table.run(&scenario, "");
    }
    for (job, concurrency) in [
        (Job::Get, 35),
        (Job::Get, 36),
        (Job::Get, 250),
        (Job::Put, 250),
    ] {
        let mut scenario = Scenario::new(job, 10 * GIB);
        scenario.concurrency = fixed(concurrency);
        scenario.memory = GIB;
        scenario.reset = Some(Duration::from_secs(2));
        table.run(&scenario, "all connections break at 2 s");
    }
}

fn stragglers(table: &mut Table) {
    let remark =
        format!("1 simulated byte is 64 KiB; {USUAL}. Slow bodies move at a tenth of the speed.");
    table.group("What do slow bodies cost?", &remark);
    for (job, part_size, memory, slow) in [
        (Job::Get, None, 256 * MIB, 100),
        (Job::Get, None, 256 * MIB, 1_000),
        (Job::Get, Some(64 * MIB), 256 * MIB, 100),
        (Job::GetInOrder, None, 256 * MIB, 100),
        (Job::GetInOrder, None, GIB, 100),
        (Job::GetInOrder, None, 256 * MIB, 1_000),
        (Job::GetInOrder, None, GIB, 1_000),
        (Job::Put, None, 256 * MIB, 100),
    ] {
        let mut scenario = Scenario::new(job, 4 * GIB);
        (scenario.part_size, scenario.slow) = (part_size, slow);
        scenario.memory = memory;
        let note = format!("{} % are slow, {}", slow / 100, memory_note(memory));
        table.run(&scenario, &note);
    }
}

fn in_order(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB; {USUAL}.");
    table.group("In order, and for slow consumers", &remark);
    for (part_size, memory) in [
        (None, 256 * MIB),
        (None, 64 * MIB),
        (Some(16 * MIB), 256 * MIB),
        (Some(64 * MIB), 256 * MIB),
        (Some(64 * MIB), 5 * GIB),
    ] {
        let mut scenario = Scenario::new(Job::GetInOrder, 4 * GIB);
        (scenario.part_size, scenario.memory) = (part_size, memory);
        table.run(&scenario, &memory_note(memory));
    }
    for speed in [1_000_000_000, 100_000_000, 10_000_000] {
        let mut scenario = Scenario::new(Job::GetInOrder, GIB);
        scenario.local = Some(speed);
        let note = format!("consumer {} MB/s", speed / 1_000_000);
        table.run(&scenario, &note);
    }
    for loss in [100, 1_000] {
        let mut scenario = Scenario::new(Job::GetInOrder, 4 * GIB);
        scenario.loss = loss;
        table.run(&scenario, "");
    }
}

fn streams(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB; {USUAL}.");
    table.group("Pull sources", &remark);
    for (memory, speed) in [
        (256 * MIB, None),
        (64 * MIB, None),
        (GIB, None),
        (256 * MIB, Some(100_000_000)),
    ] {
        let mut scenario = Scenario::new(Job::PutStream, 4 * GIB);
        (scenario.memory, scenario.local) = (memory, speed);
        let note = match speed {
            Some(speed) => format!("source {} MB/s", speed / 1_000_000),
            None => memory_note(memory),
        };
        table.run(&scenario, &note);
    }
    let mut lossy = Scenario::new(Job::PutStream, 4 * GIB);
    lossy.loss = 500;
    table.run(&lossy, "");
}

fn fast(table: &mut Table) {
    let remark = "1 simulated byte is 64 KiB; 30 ms, 90 MB/s a connection, 100 Gbit/s in all.";
    table.group("100 Gbit/s, 250 connections", remark);
    for (job, part_size, memory) in [
        (Job::Get, None, GIB),
        (Job::Get, Some(64 * MIB), GIB),
        (Job::GetInOrder, None, GIB),
        (Job::GetInOrder, None, 12 * GIB),
        (Job::Put, None, GIB),
        (Job::PutStream, None, 4 * GIB),
    ] {
        let mut scenario = Scenario::new(job, 25 * GIB);
        (scenario.part_size, scenario.memory) = (part_size, memory);
        scenario.concurrency = fixed(250);
        scenario.network = hundred_gigabits();
        table.run(&scenario, &memory_note(memory));
    }
}

fn huge(table: &mut Table) {
    let remark = "1 simulated byte is 1 MiB; 30 ms, 90 MB/s a connection, 100 Gbit/s in all.";
    table.group("50 TB", remark);
    for (job, size, part_size, loss) in [
        (Job::Put, 50 * TB, None, 0),
        (Job::Put, 50 * TB, None, 100),
        (Job::Get, 50 * TB, Some(5 * GIB), 0),
        (Job::PutStream, 50 * TB, None, 0),
        (Job::PutStream, 5 * TB, Some(5 * GIB), 0),
    ] {
        let mut scenario = Scenario::new(job, size);
        (scenario.part_size, scenario.loss) = (part_size, loss);
        scenario.scale = MIB;
        scenario.tick = Duration::from_secs(15);
        scenario.concurrency = fixed(250);
        scenario.memory = 16 * GIB;
        scenario.network = hundred_gigabits();
        table.run(&scenario, &memory_note(scenario.memory));
    }
    let range = part_size(&Scenario::new(Job::Get, 50 * TB));
    let requests = amount((50 * TB).div_ceil(range));
    table.line(&format!(
        "A get by the ranges that the core chooses, {}, would take {requests} requests.",
        bytes(range)
    ));
}

fn storms(table: &mut Table) {
    let remark = format!(
        "1 simulated byte is 64 KiB; {USUAL}. From 5 s to 10 s requests beyond some a second are refused."
    );
    table.group("Throttling storm and recovery", &remark);
    for (job, concurrency, allowed, budget) in [
        (Job::Get, 16, 100, 500),
        (Job::Get, 16, 50, 500),
        (Job::Get, 16, 20, 500),
        (Job::Get, 16, 20, 1_000_000),
        (Job::Get, 250, 100, 500),
        (Job::Get, 250, 100, 1_000_000),
        (Job::GetInOrder, 16, 20, 500),
        (Job::Put, 16, 20, 500),
    ] {
        let mut scenario = Scenario::new(job, 20 * GIB);
        scenario.concurrency = fixed(concurrency);
        scenario.memory = GIB;
        scenario.retry_budget = budget;
        scenario.tick = Duration::from_millis(20);
        scenario.storm = Some(Storm {
            from: Duration::from_secs(FROM as u64),
            to: Duration::from_secs(TO as u64),
            requests_a_second: allowed,
        });
        let note = format!("{allowed} a second, budget {}", amount(budget.into()));
        let report = table.run(&scenario, &note);
        table.seconds(&report);
        table.line(&aftermath(&report));
    }
}

/// How many requests were refused while the storm lasted, and when nine tenths of the goodput
/// before it were back.
fn aftermath(report: &Report) -> String {
    const SECOND: Duration = Duration::from_secs(1);
    let sum =
        |spans: &[u64], from: usize, to: usize| -> u64 { spans.iter().take(to).skip(from).sum() };
    let requests = sum(&report.trace.requests_per(SECOND), FROM, TO);
    let share = report.refused * 100 / requests.max(1);
    let moved = report.trace.bytes_per(SECOND);
    // The first second is that of the connections.
    let before = sum(&moved, 1, FROM) / (FROM as u64 - 1);
    let back = moved
        .iter()
        .skip(TO)
        .position(|now| *now >= before / 10 * 9);
    let back = match back {
        Some(after) => format!("goodput was back in second {} after it", after + 1),
        None => "goodput never came back".to_owned(),
    };
    format!("  Of the requests in the storm {share} % were refused; {back}.")
}

/// A session that finds its own concurrency, beside sixteen at once.
fn adaptive(table: &mut Table) {
    type Change = fn(&mut Scenario);
    let remark = "1 simulated byte is 64 KiB; 10 Gbit/s in all where nothing else is said. `~64` is a \
        session that finds out how many exchanges serve best, up to 64.";
    table.group("Does a session find its own pace?", remark);
    let profiles: [(&str, Change); 7] = [
        ("480 MiB", |scenario| scenario.size = 480 * MIB),
        ("5 Gbit/s", |scenario| scenario.network.total = 625_000_000),
        ("10 Gbit/s", |_| {}),
        ("40 Gbit/s", |scenario| {
            scenario.network.total = 5_000_000_000;
            scenario.size = 40 * GIB;
        }),
        ("200 ms", |scenario| {
            scenario.network.latency = Duration::from_millis(200);
        }),
        ("1 ms", |scenario| {
            scenario.network.latency = Duration::from_millis(1);
        }),
        ("a crowd of 8", |scenario| {
            scenario.crowd = Some(8);
            scenario.network.latency = Duration::from_millis(200);
            scenario.network.total = 300_000_000;
        }),
    ];
    for (note, change) in profiles {
        for job in [Job::Get, Job::Put, Job::GetInOrder] {
            for concurrency in [fixed(16), Concurrency::AUTO] {
                let mut scenario = Scenario::new(job, 10 * GIB);
                scenario.memory = 256 * MIB;
                change(&mut scenario);
                scenario.concurrency = concurrency;
                let report = table.run(&scenario, note);
                if concurrency.is_auto() {
                    table.pace(&report);
                }
            }
        }
    }
    let mut scenario = Scenario::new(Job::Get, 200 * GIB);
    scenario.network = hundred_gigabits();
    scenario.memory = GIB;
    let most = NonZeroU16::new(250).unwrap();
    scenario.concurrency = Concurrency::Auto { most };
    let report = table.run(&scenario, "100 Gbit/s");
    table.pace(&report);
}

/// Answers that come a minute late.
fn hedges(table: &mut Table) {
    let remark = format!("1 simulated byte is 64 KiB; {USUAL}. Some answers come a minute late.");
    table.group("What do requests cost that are stuck?", &remark);
    for (job, stuck) in [
        (Job::Get, 10),
        (Job::Get, 100),
        (Job::Get, 1_000),
        (Job::GetInOrder, 100),
    ] {
        let mut scenario = Scenario::new(job, 4 * GIB);
        scenario.stuck = stuck;
        let note = format!("{}.{} % are stuck", stuck / 100, stuck % 100 / 10);
        table.run(&scenario, &note);
    }
}

/// Servers that refuse requests beyond some a second, for good.
fn limits(table: &mut Table) {
    let remark =
        "1 simulated byte is 1 KiB; 10 Gbit/s in all. Beyond 200 a second requests are refused.";
    table.group("Does a session keep to what a server takes?", remark);
    for (job, millis, concurrency) in [
        (Job::GetListed, 30, fixed(16)),
        (Job::GetListed, 30, Concurrency::AUTO),
        (Job::Put, 30, Concurrency::AUTO),
        (Job::GetListed, 100, fixed(64)),
        (Job::GetListed, 100, Concurrency::AUTO),
    ] {
        let mut scenario = Scenario::new(job, 64 * KIB);
        (scenario.scale, scenario.objects) = (KIB, 6_000);
        scenario.network.latency = Duration::from_millis(millis);
        scenario.concurrency = concurrency;
        scenario.tick = Duration::from_millis(20);
        scenario.storm = Some(Storm {
            from: Duration::ZERO,
            to: Duration::MAX,
            requests_a_second: 200,
        });
        let report = table.run(&scenario, "200 a second");
        table.seconds(&report);
        table.pace(&report);
        table.line(&kept(&report, 200));
    }
}

/// How near the limit the goodput is, and which part of the requests were refused, after the first
/// ten seconds and before the last one.
fn kept(report: &Report, limit: u64) -> String {
    const SECOND: Duration = Duration::from_secs(1);
    let requests = report.trace.requests_per(SECOND);
    let seconds = requests.len().saturating_sub(11);
    let sum = |spans: &[u64]| -> u64 { spans.iter().skip(10).take(seconds).sum() };
    let (sent, refused) = (sum(&requests), sum(&report.trace.refusals_per(SECOND)));
    let answered = (sent - refused) * 1_000 / (limit * seconds.max(1) as u64);
    let share = refused * 1_000 / sent.max(1);
    format!(
        "  After 10 s: {}.{} % of what the server takes; {}.{} % of the requests were refused.",
        answered / 10,
        answered % 10,
        share / 10,
        share % 10
    )
}

fn fixed(number: u16) -> Concurrency {
    Concurrency::Fixed(NonZeroU16::new(number).unwrap())
}

fn hundred_gigabits() -> Network {
    Network {
        latency: Duration::from_millis(30),
        per_connection: 90_000_000,
        total: 12_500_000_000,
    }
}

fn memory_note(memory: u64) -> String {
    format!("memory {}", bytes(memory))
}

/// Compares with the kept table, line by line.
fn compare(text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/schedule.txt");
    if std::env::var_os("SANS3_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let (before, after): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), text.lines().collect());
    assert!(before == after, "{}", difference(&before, &after));
}

/// The lines that went and came, between those that stayed.
fn difference(before: &[&str], after: &[&str]) -> String {
    // How many lines two ends have in common.
    let mut common = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for (i, old) in before.iter().enumerate().rev() {
        for (j, new) in after.iter().enumerate().rev() {
            common[i][j] = if old == new {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut text = String::from("transfers cost something else than they did:\n");
    let (mut i, mut j) = (0, 0);
    while i < before.len() || j < after.len() {
        let (old, new) = (before.get(i), after.get(j));
        if old.is_some() && old == new {
            (i, j) = (i + 1, j + 1);
        } else if j == after.len() || (i < before.len() && common[i + 1][j] >= common[i][j + 1]) {
            text += &format!("- {}\n", before[i]);
            i += 1;
        } else {
            text += &format!("+ {}\n", after[j]);
            j += 1;
        }
    }
    text + "If this was meant: SANS3_UPDATE=1 cargo test -p sans3-testkit --test schedule"
}

#[test]
fn a_difference_shows_what_went_and_what_came() {
    let shown = difference(&["a", "b", "c"], &["a", "x", "c", "d"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1..lines.len() - 1], ["- b", "+ x", "+ d"]);
}
