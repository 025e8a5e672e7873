// The looks of a story. The order counts: what comes later may change what came before.
import "./frame.css";
import "./said.css";
import "./lines.css";
import "./asks.css";
import "./end.css";
import "./news.css";
