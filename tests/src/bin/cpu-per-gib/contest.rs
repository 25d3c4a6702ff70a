//! Rounds in which every contender does every job.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sans3_testkit::model::synthetic;
use sans3_testkit::server::{Config, Server};

use crate::Failure;
use crate::job::{BUCKET, Job, SMALL};
use crate::measure::{Taken, measured};

pub(crate) const RUNTIMES: [&str; 3] = ["smol", "tokio", "blocking"];

/// What is measured.
#[derive(Debug)]
pub(crate) struct Contest {
    pub(crate) rounds: usize,
    pub(crate) mib: u64,
    pub(crate) objects: u64,
    pub(crate) jobs: Vec<Job>,
    pub(crate) runtimes: Vec<&'static str>,
    pub(crate) dir: PathBuf,
}

impl Default for Contest {
    fn default() -> Self {
        let memory = Path::new("/dev/shm");
        Self {
            rounds: 5,
            mib: 512,
            objects: 1000,
            jobs: Job::ALL.into(),
            runtimes: RUNTIMES.into(),
            dir: if memory.is_dir() {
                memory.to_owned()
            } else {
                env::temp_dir()
            },
        }
    }
}

/// The server's process, which ends when its input does.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}

impl Contest {
    pub(crate) fn hold(&self) -> Result<(), Failure> {
        let driver = env::current_exe()?.with_file_name("bench-driver");
        if !driver.exists() {
            let driver = driver.display();
            return Err(format!("{driver} is not there; --help says how it is built").into());
        }
        let dir = tempfile::Builder::new()
            .prefix("cpu-per-gib")
            .tempdir_in(&self.dir)?;
        self.prepare(dir.path())?;
        println!(
            "CPU seconds, and how many times the floor's: medians of {} rounds ({} MiB; {} objects \
             of 64 KiB)\n",
            self.rounds, self.mib, self.objects
        );
        println!("| job | contender | CPU s | x floor | least..most | peak MiB |");
        println!("|---|---|---|---|---|---|");
        for job in &self.jobs {
            self.compete(*job, &driver, dir.path())?;
        }
        Ok(())
    }

    /// What is uploaded.
    fn prepare(&self, dir: &Path) -> io::Result<()> {
        let mut block = vec![0; 1 << 20];
        let mut file = File::create(dir.join("in"))?;
        for mib in 0..self.mib {
            synthetic::fill(mib << 20, &mut block);
            file.write_all(&block)?;
        }
        let many = dir.join("many-in");
        fs::create_dir(&many)?;
        let small = usize::try_from(SMALL).map_or(0, |small| small.min(block.len()));
        for number in 0..self.objects {
            fs::write(many.join(format!("{number:06}")), &block[..small])?;
        }
        Ok(())
    }

    fn compete(&self, job: Job, driver: &Path, dir: &Path) -> Result<(), Failure> {
        // A server for each job: what was uploaded before takes no memory from those to come.
        let (_serving, endpoint) = self.serving()?;
        let variables = job.variables(dir, self.mib << 20, self.objects);
        let mut floor = Command::new(env::current_exe()?);
        floor.arg("--floor");
        let runtimes = self.runtimes.iter().map(|runtime| {
            let mut command = Command::new(driver);
            command.env("SANS3_RUNTIME", runtime);
            (*runtime, command)
        });
        let mut contenders: Vec<_> = [("floor", floor)].into_iter().chain(runtimes).collect();
        for (_, command) in &mut contenders {
            command
                .env("ENDPOINT", &endpoint)
                .envs(variables.iter().cloned());
        }
        let mut results: Vec<Vec<Taken>> = vec![Vec::new(); contenders.len()];
        for round in 0..=self.rounds {
            for ((_, command), results) in contenders.iter().zip(&mut results) {
                clear(job, dir)?;
                let taken = measured(command)?;
                // The first round warms up.
                if round > 0 {
                    results.push(taken);
                }
            }
        }
        clear(job, dir)?;
        let names = contenders.iter().map(|(name, _)| *name);
        for (name, result) in names.zip(&results) {
            println!("{}", row(job, name, result, &results[0]));
        }
        Ok(())
    }

    fn serving(&self) -> Result<(Serving, String), Failure> {
        let mut child = Command::new(env::current_exe()?)
            .arg("--serve")
            .arg(format!("{},{}", self.mib, self.objects))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let serving = Serving(child);
        let mut endpoint = String::new();
        BufReader::new(output.ok_or("the server says nothing")?).read_line(&mut endpoint)?;
        Ok((serving, endpoint.trim().to_owned()))
    }
}

/// The server's process: serves until its input ends, which it does with the process that began it.
pub(crate) fn serve(mib: u64, objects: u64) -> Result<(), Failure> {
    let server = Server::start(Config::fast())?;
    server.with_model(|model| {
        model.create_bucket(BUCKET);
        model.put_synthetic(BUCKET, "large", mib << 20);
        for number in 0..objects {
            model.put_synthetic(BUCKET, &format!("many/{number:06}"), SMALL);
        }
    });
    println!("{}", server.endpoint_url());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Removes what a contender before has written.
fn clear(job: Job, dir: &Path) -> io::Result<()> {
    let Some(output) = job.output().map(|name| dir.join(name)) else {
        return Ok(());
    };
    if job.is_small() {
        if output.exists() {
            fs::remove_dir_all(&output)?;
        }
        fs::create_dir(&output)
    } else if output.exists() {
        fs::remove_file(&output)
    } else {
        Ok(())
    }
}

fn row(job: Job, name: &str, taken: &[Taken], floor: &[Taken]) -> String {
    let cpu = median(taken.iter().map(|taken| taken.cpu));
    let ratios = || {
        taken
            .iter()
            .zip(floor)
            .map(|(taken, floor)| taken.cpu / floor.cpu)
    };
    let (least, most) = ratios().fold((f64::MAX, 0.0), |(least, most): (f64, f64), ratio| {
        (least.min(ratio), most.max(ratio))
    });
    let peak = taken.iter().map(|taken| taken.peak_mib).fold(0.0, f64::max);
    let ratio = median(ratios());
    let job = job.name();
    format!("| {job} | {name} | {cpu:.3} | {ratio:.2} | {least:.2}..{most:.2} | {peak:.0} |")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(cpu: &[f64]) -> Vec<Taken> {
        let taken = |cpu: &f64| Taken {
            cpu: *cpu,
            peak_mib: *cpu,
        };
        cpu.iter().map(taken).collect()
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let floor = taken(&[1.0, 2.0, 4.0]);
        let row = row(Job::Up, "smol", &taken(&[3.0, 2.0, 8.0]), &floor);
        assert_eq!(row, "| up | smol | 3.000 | 2.00 | 1.00..3.00 | 8 |");
    }

    #[test]
    fn the_median_of_an_even_number_lies_in_between() {
        assert!((median([4.0, 1.0, 2.0, 3.0].into_iter()) - 2.5).abs() < 1e-9);
    }
}
