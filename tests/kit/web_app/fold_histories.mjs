// Fold histories as the web app does: for each the state after every event.
// In: [{account, state?, events}]; out: [[state after event 1, …], …].
import { readFileSync } from "node:fs";

const { evolve } = await import(`${process.argv[2]}/src/model/fold/fold.js`);
const histories = JSON.parse(readFileSync(0, "utf8"));
const folded = histories.map(({ account, state = null, events }) => {
  let at = state;
  return events.map((event) => {
    at = evolve(at, event, account);
    return at;
  });
});
process.stdout.write(JSON.stringify(folded));
