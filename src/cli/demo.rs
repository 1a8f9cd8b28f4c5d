//! `postern demo`.

use std::io::IsTerminal;
use std::sync::Arc;

use super::CliError;
use crate::demo::{Demo, show::Show};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port of the Tenant URL on loopback; 0 takes any that is free
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Print one line of JSON with every address instead of the tour, and no requests: for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let stdout = std::io::stdout();
    let show = (!arguments.json)
        .then(|| Arc::new(Show::new(Box::new(std::io::stdout()), stdout.is_terminal())));
    let demo = Demo::start(arguments.port, show)
        .map_err(|error| CliError::failed(format!("error: the demo cannot start: {error:#}")))?;
    if arguments.json {
        println!("{}", demo.as_json());
    } else {
        print!("{}", demo.tour());
    }
    demo.run_until_stopped()
        .map_err(|error| CliError::failed(format!("error: {error:#}")))
}
