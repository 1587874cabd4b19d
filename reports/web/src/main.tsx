// The viewer of a failure. Everything above it on the page is readable without it.
//
//   #data  --unpack--> Data  --+
//   #trace --unpack--> Trace --+--> Model --> signals --> canvases and panes
//
// Keys and values are hostile: text is only ever set as text.
import { wireCopy } from "./copy";

wireCopy();
