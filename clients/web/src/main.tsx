// The only file that builds things: the store, the line, the state, and the first screen.
import { render } from "preact";

render(<h1>Errand</h1>, document.getElementById("app")!);
